"""A context in trained or untrained models of segmentation_models_pytorch."""

import copy
from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from segrnn.context import ASPP, Convolutions, ReNet, SelfAttention
from segrnn.models import FCN, add_context

MODELS = {
    "unet": lambda: smp.Unet("resnet18", encoder_weights=None, classes=4),
    "unetplusplus": lambda: smp.UnetPlusPlus("resnet18", encoder_weights=None, classes=4),
    "manet": lambda: smp.MAnet("resnet18", encoder_weights=None, classes=4),
    "linknet": lambda: smp.Linknet("resnet18", encoder_weights=None, classes=4),
    "fpn": lambda: smp.FPN("resnet18", encoder_weights=None, classes=4),
    "deeplabv3": lambda: smp.DeepLabV3("resnet18", encoder_weights=None, classes=4),
    "deeplabv3plus": lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4, encoder_output_stride=8),
    "pspnet": lambda: smp.PSPNet("resnet18", encoder_weights=None, classes=4),
    "pan": lambda: smp.PAN("resnet18", encoder_weights=None, classes=4),
    "segformer": lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=4),
    "segformer_resnet": lambda: smp.Segformer("resnet18", encoder_weights=None, classes=4),
    "upernet": lambda: smp.UPerNet("resnet18", encoder_weights=None, classes=4),
    "convnext": lambda: smp.UPerNet("tu-convnext_atto", encoder_weights=None, classes=4),
}
ALWAYS = ("fpn", "deeplabv3plus", "segformer")  # one of each kind that is quick
EACH = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.thorough) for name in MODELS]
)


@EACH
def test_the_output_is_that_of_the_plain_model_to_the_bit(name: str) -> None:
    torch.manual_seed(0)
    plain = MODELS[name]().eval()
    x = torch.rand(2, 3, 128, 160)
    expected = plain(x)
    for context in (partial(ReNet, hidden=4), partial(Convolutions, hidden=4)):
        assert torch.equal(add_context(plain, context, stride=8).eval()(x), expected)
    assert torch.equal(plain(x), expected)
    torch.manual_seed(1)
    expected = copy.deepcopy(plain).train()(x)
    torch.manual_seed(1)
    model = add_context(plain.train(), partial(ReNet, hidden=4), stride=8)
    torch.manual_seed(1)
    assert torch.equal(model.train()(x), expected)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        pytest.param("fpn", "gru", marks=pytest.mark.slow),
        ("segformer", "mingru"),
        *(pytest.param(n, "gru", marks=pytest.mark.thorough) for n in ("unet", "deeplabv3plus", "pspnet", "segformer")),
        *(pytest.param(n, "mingru", marks=pytest.mark.thorough) for n in ("unet", "fpn", "deeplabv3plus", "pspnet")),
        *(pytest.param("upernet", cell, marks=pytest.mark.thorough) for cell in ("gru", "mingru")),
    ],
)
def test_after_ten_steps_every_parameter_of_the_context_has_learned(name: str, cell: str) -> None:
    torch.manual_seed(0)
    model = add_context(MODELS[name](), partial(ReNet, hidden=4, cell=cell), stride=8).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, target = torch.rand(2, 3, 64, 64), torch.randint(4, (2, 64, 64))
    before = {key: value.clone() for key, value in model.context.named_parameters()}
    learned: set[str] = set()
    for _ in range(10):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), target).backward()
        learned |= {key for key, p in model.context.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    assert learned == before.keys()
    assert not any(torch.equal(p, before[key]) for key, p in model.context.named_parameters())


def test_a_module_is_taken_as_it_is() -> None:
    context = ReNet(128, hidden=4)
    model = add_context(smp.Unet("resnet18", encoder_weights=None), context, stride=8)
    assert next(iter(model.context.values())).context is context


def test_several_strides_get_a_context_each() -> None:
    plain = MODELS["fpn"]().eval()
    model = add_context(plain, partial(ReNet, hidden=4), stride=[8, 16, 32]).eval()
    assert [branch.project.in_channels for branch in model.context.values()] == [128, 256, 512]
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(model(x), plain(x))


def test_the_context_goes_to_the_deepest_map_of_its_stride() -> None:
    model = add_context(MODELS["deeplabv3plus"](), partial(ReNet, hidden=4), stride=8)
    assert list(model.context) == ["5"]
    assert model.context["5"].project.in_channels == 512


def test_modes_and_statistics_are_left_alone() -> None:
    network = MODELS["fpn"]().train()
    network.encoder.eval()  # frozen statistics
    context = ReNet(128, hidden=4).train()
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    model = add_context(network, context)
    assert not any(module.training for module in network.encoder.modules())
    assert all(module.training for module in (*network.decoder.modules(), *context.modules()))
    assert all(torch.equal(value, buffers[name]) for name, value in network.named_buffers())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_stride_the_decoder_does_not_read_lists_those_it_reads() -> None:
    with pytest.raises(ValueError, match=r"there are no features at stride 5 .* reads the strides \[4, 8, 16, 32\]"):
        add_context(MODELS["fpn"](), ReNet, stride=5)
    with pytest.raises(ValueError, match=r"no features at stride 64 .* reads the strides \[4, 8, 16, 32\]"):
        add_context(MODELS["fpn"](), ReNet, stride=(8, 64))
    with pytest.raises(ValueError, match=r"no features at stride 16 .* reads the strides \[8\]"):
        add_context(FCN("resnet18", classes=4, width=16), ReNet, stride=16)
    deeplab = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=4)
    with pytest.raises(ValueError, match=r"no features at stride 8 .* reads the strides \[4, 16\]"):
        add_context(deeplab, ReNet, stride=8)


@pytest.mark.parametrize(
    ("context", "stride", "message"),
    [
        (ReNet(64, hidden=4), 8, r"can't take the 128 channels at stride 8: a context needs a map \(B, 64, H, W\)"),
        (ASPP(64), 8, "can't take the 128 channels at stride 8"),
        (nn.Conv2d(128, 64, 1), 8, r"must keep the shape of its map; this one changed .* to \(1, 64, 64, 64\)"),
        (ReNet(128, hidden=4), [8, 16], r"one module can't serve the strides \[8, 16\]"),
        (partial(SelfAttention, hidden=6), 8, "hidden=6 can't be divided into heads=4"),
        (partial(ReNet, hidden=4), [], r"stride must be a whole number or a list of them, got \[\]"),
        (partial(ReNet, hidden=0), 8, "hidden must be a whole number of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_said(context: object, stride: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_context(MODELS["fpn"](), context, stride)


@pytest.mark.thorough
def test_compiled_it_leaves_the_sweep_eager_and_is_not_compiled_per_size() -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    # no number of channels that a side of a map could have: sizes that are equal are taken to be the same
    model = add_context(FCN("resnet18", classes=4, width=23), partial(ReNet, hidden=19)).eval()
    torch.compiler.reset()
    compiled = torch.compile(model, backend=backend, dynamic=True)
    with torch.no_grad():
        for size in ((64, 96), (45, 61)):  # with and without padding
            x = torch.rand(1, 3, *size)
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-4)
        first = len(graphs)
        for size in ((72, 80), (128, 64), (33, 97)):
            compiled(torch.rand(1, 3, *size))
    assert len(graphs) == first
    assert not any("gru" in str(node.target) for graph in graphs for node in graph.graph.nodes)


def test_frozen_models_in_other_dtypes_and_without_gradients() -> None:
    network = MODELS["fpn"]().double().eval().requires_grad_(False)
    with torch.no_grad():
        model = add_context(network, partial(ReNet, hidden=4)).eval()
        x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
        assert torch.equal(model(x), network(x))
    assert all(parameter.requires_grad for parameter in model.context.parameters())


def test_a_gradient_that_was_there_stays() -> None:
    network = MODELS["fpn"]()
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    before = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    add_context(network, partial(ReNet, hidden=4))
    assert all(torch.equal(parameter.grad, before[name]) for name, parameter in network.named_parameters())


def test_a_segmenter_is_refused() -> None:
    with pytest.raises(ValueError, match="not into a Segmenter"):
        add_context(add_context(MODELS["fpn"](), partial(ReNet, hidden=4)), ReNet)


def test_dpt_is_refused() -> None:
    network = smp.DPT("tu-vit_tiny_patch16_224", encoder_weights=None, classes=4, dynamic_img_size=True)
    with pytest.raises(ValueError, match="DPT's decoder takes tokens"):
        add_context(network, ReNet)


@pytest.mark.parametrize("in_channels", [1, 4, 12])
def test_networks_of_any_number_of_channels(in_channels: int) -> None:
    network = smp.Unet("resnet18", encoder_weights=None, classes=4, in_channels=in_channels).eval()
    image = torch.rand(1, in_channels, 64, 64)
    assert torch.equal(add_context(network, partial(ReNet, hidden=4), stride=8).eval()(image), network(image))
