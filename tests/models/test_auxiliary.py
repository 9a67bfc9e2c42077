"""The second classifier, in training only."""

from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor

from segrnn.context import ReNet
from segrnn.models import FCN, Auxiliary, Segmenter, add_context
from segrnn.models.encoders import levels

NETWORKS = {
    "fcn": lambda: FCN("resnet18", classes=4, width=16),
    "fcn_dilated": lambda: FCN("resnet18", classes=4, width=16, maps=1, output_stride=8),
    "fpn": lambda: smp.FPN("resnet18", encoder_weights=None, classes=4),
    "transformer": lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=4),
    "timm": lambda: FCN("tu-tf_efficientnet_lite0", classes=4, encoder_depth=3, width=16),
}
EACH_NETWORK = pytest.mark.parametrize("name", NETWORKS)


def with_auxiliary(name: str) -> Segmenter:
    torch.manual_seed(0)
    segmenter = add_context(NETWORKS[name](), partial(ReNet, hidden=4))
    segmenter.auxiliary = Auxiliary(levels(segmenter.encoder), classes=4, hidden=8)
    return segmenter


@EACH_NETWORK
@pytest.mark.parametrize(
    "size", [(45, 61), *(pytest.param(each, marks=pytest.mark.thorough) for each in ((1, 1), (64, 96)))]
)
def test_both_logits_have_the_size_of_the_image(name: str, size: tuple[int, int]) -> None:
    segmenter, image = with_auxiliary(name).eval(), torch.rand(1, 3, *size)
    logits, auxiliary = segmenter.forward_with_auxiliary(image)
    assert torch.equal(logits, segmenter(image))
    assert auxiliary is not None
    assert auxiliary.shape == logits.shape == (1, 4, *size)


@EACH_NETWORK
def test_it_teaches_the_encoder_and_itself_only(name: str) -> None:
    segmenter = with_auxiliary(name)
    _, auxiliary = segmenter.forward_with_auxiliary(torch.rand(2, 3, 64, 64))
    assert auxiliary is not None
    auxiliary.square().mean().backward()
    taught = {key.partition(".")[0] for key, p in segmenter.named_parameters() if p.grad is not None}
    assert taught == {"encoder", "auxiliary"}
    assert all(p.grad is not None for p in segmenter.auxiliary.parameters())


def test_it_sees_the_encoder_not_the_context() -> None:
    segmenter = with_auxiliary("fpn").eval()
    image = torch.rand(1, 3, 64, 64)
    _, before = segmenter.forward_with_auxiliary(image)
    for branch in segmenter.context.values():
        torch.nn.init.normal_(branch.project.weight)
    _, after = segmenter.forward_with_auxiliary(image)
    assert torch.equal(before, after)


def test_without_one_there_is_none() -> None:
    segmenter, image = Segmenter(NETWORKS["fcn"]()).eval(), torch.rand(1, 3, 45, 61)
    logits, auxiliary = segmenter.forward_with_auxiliary(image)
    assert auxiliary is None
    assert torch.equal(logits, segmenter(image))


def test_prediction_does_not_compute_it() -> None:
    segmenter = with_auxiliary("fcn").eval()

    def computed(*_: object) -> Tensor:
        raise AssertionError

    segmenter.auxiliary.register_forward_hook(computed)
    segmenter(torch.rand(1, 3, 64, 64))


def test_by_default_it_is_on_the_last_map_but_one() -> None:
    auxiliary = with_auxiliary("fcn").auxiliary
    assert (auxiliary.level, auxiliary.stride, auxiliary.weight) == (4, 16, 0.4)
    assert auxiliary.layers[0].in_channels == 256
    dilated = with_auxiliary("fcn_dilated").auxiliary
    assert (dilated.level, dilated.stride) == (4, 8)


@pytest.mark.parametrize(
    ("encoder", "arguments", "message"),
    [
        ("resnet18", {"level": 6}, r"no map at level 6; it has \[1, 2, 3, 4, 5\], or -5 to -1 from the end"),
        ("resnet18", {"level": -7}, "no map at level -7"),
        ("resnet18", {"level": 0}, "no map at level 0"),
        ("mit_b0", {"level": 1}, r"no map at level 1; it has \[2, 3, 4, 5\], or -4 to -1 from the end"),
        ("resnet18", {"weight": -1}, "weight must be at least 0, got -1"),
        ("resnet18", {"hidden": 0}, "hidden must be a whole number of at least 1, got 0"),
        ("resnet18", {"dropout": 2}, "dropout probability"),
    ],
)
def test_what_is_not_possible_is_said(encoder: str, arguments: dict, message: str) -> None:
    pyramid = levels(smp.encoders.get_encoder(encoder, weights=None))
    with pytest.raises(ValueError, match=message):
        Auxiliary(pyramid, classes=4, **arguments)


def test_an_encoder_of_one_stage_has_too_few_maps() -> None:
    pyramid = levels(smp.encoders.get_encoder("resnet18", weights=None, depth=1))
    with pytest.raises(ValueError, match=r"no map at level -2; it has \[1\], or -1 to -1 from the end"):
        Auxiliary(pyramid, classes=4)
