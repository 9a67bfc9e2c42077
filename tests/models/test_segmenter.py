from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from segrnn.context import Convolutions, ReNet
from segrnn.models import FCN, Segmenter
from segrnn.models.encoders import drop_unused, levels

NETWORKS = {
    "fcn": lambda: FCN("resnet18", classes=4, width=16),
    "fcn_stride8": lambda: FCN("tu-tf_efficientnet_lite0", classes=4, encoder_depth=3, width=16),
    "fpn": lambda: smp.FPN("resnet18", encoder_weights=None, classes=4),
    "unet": lambda: smp.Unet("resnet18", encoder_weights=None, classes=4),
    "deeplabv3plus": lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4, encoder_output_stride=8),
    "timm": lambda: smp.FPN("tu-tf_efficientnet_lite0", encoder_weights=None, classes=4),
}
EACH_NETWORK = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


@EACH_NETWORK
def test_with_a_context_it_starts_as_the_plain_network(network) -> None:
    plain = network().eval()
    x = torch.rand(2, 3, 64, 96)
    expected = plain(x)
    for context in (None, partial(ReNet, hidden=4), partial(Convolutions, hidden=4)):
        assert torch.equal(Segmenter(plain, context, stride=8).eval()(x), expected)


@EACH_NETWORK
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (45, 61)])
def test_any_size(network, size: tuple[int, int]) -> None:
    model = Segmenter(network(), partial(ReNet, hidden=4)).eval()
    assert model(torch.rand(1, 3, *size)).shape == (1, 4, *size)


@EACH_NETWORK
def test_every_parameter_learns(network) -> None:
    torch.manual_seed(0)
    model = Segmenter(network(), partial(ReNet, hidden=4))
    nn.init.normal_(model.context.project.weight, std=0.1)  # opens the branch
    model(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_the_context_goes_to_the_deepest_map_of_its_stride() -> None:
    network = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4, encoder_output_stride=8)
    model = Segmenter(network, partial(ReNet, hidden=4), stride=8)
    assert model.level == 5
    assert model.context.project.in_channels == 512


def test_an_unknown_stride_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no features at stride 5 .* reads \[4, 8, 16, 32\]"):
        Segmenter(NETWORKS["fpn"](), ReNet, stride=5)
    with pytest.raises(ValueError, match=r"no features at stride 16 .* reads \[8\]"):
        Segmenter(NETWORKS["fcn"](), ReNet, stride=16)
    deeplab = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4)  # does not read stride 8
    with pytest.raises(ValueError, match=r"no features at stride 8 .* reads \[4, 16\]"):
        Segmenter(deeplab, ReNet, stride=8)
    with pytest.raises(ValueError, match=r"no features at stride 64; it has \[1, 2, 4, 8, 16, 32\]"):
        FCN("resnet18", classes=4, stride=64)


def test_dropping_unused_layers_changes_no_feature() -> None:
    torch.manual_seed(0)
    encoder = smp.encoders.get_encoder("tu-tf_efficientnet_lite0", weights=None, depth=3).eval()
    x = torch.rand(1, 3, 64, 64)
    before, parameters = encoder(x), sum(p.numel() for p in encoder.parameters())
    buffers = {name: value.clone() for name, value in encoder.named_buffers()}
    drop_unused(encoder)
    assert sum(p.numel() for p in encoder.parameters()) < parameters / 10
    assert all(torch.equal(a, b) for a, b in zip(encoder(x), before, strict=True))
    assert all(torch.equal(value, buffers[name]) for name, value in encoder.named_buffers())
    assert all(p.grad is None for p in encoder.parameters())


def test_levels_follow_dilation() -> None:
    encoder = smp.encoders.get_encoder("resnet18", weights=None, output_stride=8)
    assert [level.stride for level in levels(encoder)] == [1, 2, 4, 8, 8, 8]
    features = encoder(torch.rand(1, 3, 64, 64))
    assert [64 // f.shape[-1] for f in features] == [1, 2, 4, 8, 8, 8]
