from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import nn

from segrnn.context import ReNet
from segrnn.models import FCN, ReSeg, Segmenter, add_context
from segrnn.models.encoders import drop_unused, levels

NETWORKS = {
    "fcn": lambda: FCN("resnet18", classes=4, width=16),
    "fcn_stride8": lambda: FCN("tu-tf_efficientnet_lite0", classes=4, encoder_depth=3, width=16),
    "fcn_stride4": lambda: FCN("tu-tf_efficientnet_lite0", classes=4, encoder_depth=4, width=16, detail=4),
    "fcn_dilated": lambda: FCN("resnet18", classes=4, width=16, maps=1, output_stride=8, dropout=0.1),
    "fcn_half_dilated": lambda: FCN("resnet18", classes=4, width=16, output_stride=16),
    "fcn_transformer": lambda: FCN("mit_b0", classes=4, width=16),
    "fpn": lambda: smp.FPN("resnet18", encoder_weights=None, classes=4),
    "unet": lambda: smp.Unet("resnet18", encoder_weights=None, classes=4),
    "deeplabv3plus": lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4, encoder_output_stride=8),
    "pspnet": lambda: smp.PSPNet("resnet18", encoder_weights=None, classes=4, encoder_depth=5, output_stride=8),
    "segformer": lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=4),
    "upernet": lambda: smp.UPerNet("tu-convnext_atto", encoder_weights=None, classes=4),
    "timm": lambda: smp.FPN("tu-tf_efficientnet_lite0", encoder_weights=None, classes=4),
}
EACH_NETWORK = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


@EACH_NETWORK
@pytest.mark.parametrize(
    "size", [(1, 1), *(pytest.param(size, marks=pytest.mark.thorough) for size in ((1, 70), (45, 61)))]
)
def test_any_size(network, size: tuple[int, int]) -> None:
    model = add_context(network(), partial(ReNet, hidden=4)).eval()
    assert model(torch.rand(1, 3, *size)).shape == (1, 4, *size)


@EACH_NETWORK
def test_every_parameter_learns(network) -> None:
    torch.manual_seed(0)
    model = add_context(network(), partial(ReNet, hidden=4))
    for branch in model.context.values():
        nn.init.normal_(branch.project.weight, std=0.1)  # opens the branch
    model(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_without_a_context_it_is_the_network() -> None:
    network = NETWORKS["fpn"]().eval()
    x = torch.rand(1, 3, 64, 96)
    assert torch.equal(Segmenter(network).eval()(x), network(x))


def test_a_stride_the_encoder_does_not_have_lists_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"no features at stride 64; it has \[1, 2, 4, 8, 16, 32\]"):
        FCN("resnet18", classes=4, stride=64)


def test_detail_is_added_behind_the_context() -> None:
    network = FCN("resnet18", classes=4, width=16, detail=4).eval()
    model = add_context(network, nn.Conv2d(16, 16, kernel_size=1)).eval()
    (branch,) = model.context.values()
    nn.init.normal_(branch.project.weight)
    x = torch.rand(1, 3, 64, 96)
    detail, summed = network.neck(network.encoder(x))
    larger = F.interpolate(branch(summed), scale_factor=2, mode="bilinear")
    coarse = network.segmentation_head[0](network.decoder.layers(F.relu(detail + larger)))
    assert coarse.shape[-2:] == (16, 24)
    assert torch.equal(model.coarse_logits(x), coarse)


def test_detail_that_is_not_finer_is_refused() -> None:
    with pytest.raises(ValueError, match="detail=8 must be finer than stride=8, the stride of the sum"):
        FCN("resnet18", classes=4, detail=8)


def test_a_dilated_encoder_gives_the_sum_maps_of_one_size() -> None:
    network = FCN("resnet18", classes=4, width=16, output_stride=8).eval()
    assert [project[0].in_channels for project in network.neck.projections] == [128, 256, 512]
    features = network.encoder(torch.rand(1, 3, 64, 96))
    assert [tuple(feature.shape[-2:]) for feature in features[3:]] == [(8, 12)] * 3
    projected = [project(x) for project, x in zip(network.neck.projections, features[3:], strict=True)]
    torch.testing.assert_close(network.neck(features)[0], sum(projected).relu())
    assert network.neck.levels == [(16, 8)]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_the_deepest_map_alone(output_stride: int) -> None:
    network = FCN("resnet18", classes=4, width=16, maps=1, output_stride=output_stride).eval()
    assert [project[0].in_channels for project in network.neck.projections] == [512]
    features = network.encoder(torch.rand(1, 3, 64, 96))
    assert features[-1].shape[-1] == 96 // output_stride
    expected = network.neck(features)
    assert expected[0].shape == (1, 16, 8, 12)
    assert torch.equal(network.neck([torch.zeros_like(x) for x in features[:-1]] + features[-1:])[0], expected[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maps": 4}, "maps=4 is more than the encoder has: it has 3 maps from stride 8 down"),
        ({"maps": 0}, "maps must be a whole number of at least 1, got 0"),
        ({"stride": 16, "output_stride": 8}, r"no features at stride 16; it has \[1, 2, 4, 8\]"),
        ({"output_stride": 4}, "output_stride must be 8, 16 or 32, got 4"),
        ({"encoder_name": "vgg16", "output_stride": 8}, "vgg16 can't be dilated to output_stride=8 .*Max Pooling"),
        ({"encoder_name": "tu-vgg11", "output_stride": 8}, r"tu-vgg11 can't be dilated to output_stride=8 .*\)$"),
        ({"encoder_name": "tu-efficientvit_b0", "output_stride": 16}, "b0 can't be dilated to output_stride=16"),
        ({"dropout": 2}, "dropout probability"),
    ],
)
def test_an_fcn_says_what_is_possible(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FCN(**{"encoder_name": "resnet18", "classes": 4, **arguments})


def test_dropout_is_for_training_and_adds_no_names() -> None:
    torch.manual_seed(0)
    network = FCN("resnet18", classes=4, width=16, dropout=0.5)
    assert network.state_dict().keys() == FCN("resnet18", classes=4, width=16).state_dict().keys()
    maps = [torch.rand(2, 16, 8, 8)]
    left_out = network.decoder(maps).flatten(2).abs().amax(-1) == 0  # whole channels
    assert 0 < left_out.sum() < left_out.numel()
    assert torch.equal(network.eval().decoder(maps), network.decoder(maps))


@pytest.mark.parametrize(
    "name", [pytest.param("fcn", marks=pytest.mark.slow), pytest.param("fpn", marks=pytest.mark.thorough)]
)
def test_channels_last_and_compiled_parts_change_nothing(name: str) -> None:
    torch.manual_seed(0)
    model = add_context(NETWORKS[name](), partial(ReNet, hidden=4)).eval()
    names, image = list(model.state_dict()), torch.rand(1, 3, 45, 61)
    with torch.no_grad():
        expected = model(image)
        model.to(memory_format=torch.channels_last)
        last = model(image.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-4)
        torch.compiler.reset()
        for part in (model.encoder, model.decoder):  # not the context: its recurrence has kernels of its own
            part.compile(backend="aot_eager")
        torch.testing.assert_close(model(image), expected, rtol=1e-4, atol=1e-4)
    assert list(model.state_dict()) == names


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


def test_reseg_has_the_published_sizes() -> None:
    model = ReSeg(classes=11)
    assert sum(p.numel() for p in model.neck.parameters()) == 758_400
    assert [sweep.axis for sweep in model.neck.layers] == [3, 2, 3, 2]  # rows first, as in the authors' code
    assert [sweep.axis for sweep in ReSeg(classes=11, order="columns_rows").neck.layers] == [2, 3, 2, 3]
    convolutions = [layer for layer in model.encoder.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128, 256, 256, 256]  # to conv3_3
    features = model.encoder(torch.rand(1, 3, 16, 24))
    assert features[-1].shape == (1, 256, 4, 6)
    assert [layer.weight.shape for layer in model.decoder.layers[::2]] == [(200, 50, 2, 2), (50, 50, 2, 2)]


def test_reseg_trains_all_but_its_encoder_at_any_size() -> None:
    model = Segmenter(ReSeg(classes=3, hidden=4, filters=5))
    logits = model(torch.rand(1, 3, 30, 21))
    assert logits.shape == (1, 3, 30, 21)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("encoder."), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "diagonal"}, "order must be one of columns_rows, rows_columns; got 'diagonal'"),
        ({"hidden": 0}, "hidden must be a whole number of at least 1, got 0"),
        ({"filters": 0}, "filters must be a whole number of at least 1, got 0"),
    ],
)
def test_reseg_says_what_is_possible(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):  # before it makes an encoder, which takes seconds
        ReSeg("no_encoder_has_this_name", classes=3, **arguments)
