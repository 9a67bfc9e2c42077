"""Recomputing saves memory and changes nothing else, to the bit."""

import copy

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from segrnn.models import FCN, Segmenter, checkpoint_activations
from segrnn.models.activation_checkpointing import stages

STAGES = {
    "resnet18": ["layer1", "layer2", "layer3", "layer4"],
    "tu-tf_efficientnet_lite0": ["model.bn1", *(f"model.blocks.{i}" for i in range(7))],
    "mit_b0": [*(f"patch_embed{i}" for i in range(1, 5)), *(f"block{i}" for i in range(1, 5))],
    "tu-convnext_atto": [f"model.stages_{i}" for i in range(4)],
    "vgg11_bn": [""],  # calls its layers one by one
}
EACH_ENCODER = pytest.mark.parametrize("encoder", STAGES)


def pair(encoder: str) -> tuple[Segmenter, Segmenter]:
    """A network, and its twin that recomputes."""
    torch.manual_seed(0)
    plain = Segmenter(smp.FPN(encoder, encoder_weights=None, classes=4)).train()
    twin = copy.deepcopy(plain)
    checkpoint_activations(twin)
    return plain, twin


def step(model: Segmenter, image: Tensor) -> tuple[Tensor, int]:
    """Logits after a backward pass, and the bytes that the forward pass kept for it, parameters aside."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)  # of dropout and drop path
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(image)
    size = sum(kept.values())
    logits.square().mean().backward()
    return logits.detach(), size


@EACH_ENCODER
def test_logits_gradients_and_statistics_are_equal_to_the_bit(encoder: str) -> None:
    plain, twin = pair(encoder)
    assert list(twin.state_dict()) == list(plain.state_dict())
    for _ in range(2):
        image = torch.rand(2, 3, 64, 96)
        assert torch.equal(step(twin, image)[0], step(plain, image)[0])
    for (name, p), q in zip(plain.named_parameters(), twin.parameters(), strict=True):
        assert (p.grad is None and q.grad is None) or torch.equal(p.grad, q.grad), name
    for (name, a), b in zip(plain.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.thorough
@EACH_ENCODER
def test_less_is_kept_for_the_backward_pass(encoder: str) -> None:
    plain, twin = pair(encoder)
    image = torch.rand(2, 3, 128, 128)
    assert step(twin, image)[1] < 0.8 * step(plain, image)[1]


@EACH_ENCODER
def test_the_stages_are_found(encoder: str) -> None:
    network = smp.encoders.get_encoder(encoder, weights=None)
    names = {module: name for name, module in network.named_modules()}
    modes = {module: i % 2 == 0 for i, module in enumerate(network.modules())}
    for module, mode in modes.items():
        module.training = mode
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    assert sorted(names[stage] for stage in stages(network)) == sorted(STAGES[encoder])
    assert all(module.training == mode for module, mode in modes.items())
    assert all(torch.equal(value, buffers[name]) for name, value in network.named_buffers())
    assert not any(module._forward_pre_hooks for module in network.modules())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo asks for it where a graph goes on behind a break
def test_compiled_it_is_the_same() -> None:
    plain, twin = pair("resnet18")
    torch.compiler.reset()
    for part in (twin.encoder, twin.decoder):
        part.compile(backend="aot_eager")
    image = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(step(twin, image)[0], step(plain, image)[0], rtol=1e-4, atol=1e-4)
    for (name, a), b in zip(plain.state_dict().items(), twin.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    torch.testing.assert_close(twin.encoder.conv1.weight.grad, plain.encoder.conv1.weight.grad, rtol=1e-3, atol=1e-5)


def test_dropout_is_drawn_once() -> None:
    plain, twin = pair("resnet18")
    for model in (plain, twin):
        model.encoder.layer2.append(nn.Dropout(0.5))
    image = torch.rand(2, 3, 64, 64)
    assert torch.equal(step(twin, image)[0], step(plain, image)[0])
    assert torch.equal(twin.encoder.conv1.weight.grad, plain.encoder.conv1.weight.grad)


def test_a_frozen_part_stays_frozen() -> None:
    plain, twin = pair("resnet18")
    for model in (plain, twin):
        model.encoder.eval()  # frozen statistics
        model.encoder.conv1.requires_grad_(False)
    before = {name: value.clone() for name, value in twin.encoder.named_buffers()}
    image = torch.rand(2, 3, 64, 64)
    assert torch.equal(step(twin, image)[0], step(plain, image)[0])
    assert torch.equal(twin.encoder.layer1[0].conv1.weight.grad, plain.encoder.layer1[0].conv1.weight.grad)
    assert all(torch.equal(value, before[name]) for name, value in twin.encoder.named_buffers())


def test_a_copy_recomputes_by_itself() -> None:
    """As a running average of the weights makes one."""
    _, twin = pair("resnet18")
    other = copy.deepcopy(twin)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    image = torch.rand(2, 3, 64, 64)
    assert not step(other, image)[0].any()
    assert step(twin, image)[0].any()


def test_prediction_and_other_images_after_it() -> None:
    network = FCN("resnet18", classes=4, width=16).eval()
    segmenter, image = Segmenter(network), torch.rand(1, 3, 45, 61)
    expected = segmenter(image)
    checkpoint_activations(segmenter)
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            assert torch.equal(segmenter(image), expected)
