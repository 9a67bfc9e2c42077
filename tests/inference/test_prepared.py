"""What is prepared for inference computes the same."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.context import ReNet
from segrnn.images import Preprocessing
from segrnn.inference import Fusions, ModelInfo, Predictor, find_fusions, fused, prepare
from segrnn.inference.fused import FusedConvolution
from segrnn.labels import CAMVID
from segrnn.models import FCN, Segmenter, add_context, checkpoint_activations
from segrnn.training.synchronize import synchronize_batch_norm

NETWORKS = {
    "lite0": lambda: FCN("tu-tf_efficientnet_lite0", classes=5, encoder_depth=3, width=8),
    "resnet18": lambda: FCN("resnet18", classes=5, width=8),
    "unet": lambda: smp.Unet("vgg11_bn", encoder_weights=None, classes=5),
    "deeplabv3plus": lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=5),
    "segformer": lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=5),
    "densenet": lambda: smp.FPN("densenet121", encoder_weights=None, classes=5),  # norms before convolutions, too
}
LARGE = ("unet", "densenet")
EACH = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough if name in LARGE else ()) for name in NETWORKS]
)


def trained(network: nn.Module) -> Segmenter:
    """A network whose batch norms have seen something, in evaluation mode."""
    torch.manual_seed(0)
    model = Segmenter(network).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 64))
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@EACH
def test_logits_are_the_same_but_for_rounding(name: str) -> None:
    model = trained(NETWORKS[name]())
    before = copy.deepcopy(model.state_dict())
    fusions = find_fusions(model)
    prepared = prepare(model, fusions)
    assert len(fusions.norms) == norms(model) - norms(prepared) > 0
    assert name == "densenet" or norms(prepared) == 0
    if torch.backends.mkldnn.is_available():
        calls = [module for module in prepared.modules() if isinstance(module, FusedConvolution)]
        assert len(calls) == len(fusions.convolutions) > 0
        assert any(fusions.convolutions.values())  # activations, too
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    image = torch.rand(1, 3, 75, 101)
    with torch.inference_mode():
        expected, logits = model(image), prepared(image)
        assert logits.sub(expected).abs().max() < 1e-4 * expected.abs().max()
        double = prepare(copy.deepcopy(model).double(), fusions)(image.double())
        torch.testing.assert_close(double, copy.deepcopy(model).double()(image.double()), rtol=1e-9, atol=1e-9)


@EACH
def test_masks_are_the_same_but_for_ties(name: str) -> None:
    model = trained(NETWORKS[name]())
    info = ModelInfo({}, CAMVID, Preprocessing((0.5,) * 3, (0.25,) * 3))
    image = np.random.default_rng(0).integers(256, size=(75, 101, 3), dtype=np.uint8)
    mask = Predictor(prepare(model, find_fusions(model)), info).mask(image)
    assert (mask == Predictor(model, info).mask(image)).float().mean() > 0.999


def test_it_follows_the_weights_that_it_is_made_of() -> None:
    model = trained(NETWORKS["resnet18"]())
    fusions = find_fusions(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, fusions)(image), model(image), rtol=1e-3, atol=1e-3)


def test_modes_gradients_and_hooks_stay_as_they_were() -> None:
    model = trained(NETWORKS["lite0"]()).train()
    model.encoder.eval()
    prepare(model, find_fusions(model))
    assert model.training
    assert not model.encoder.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


class Twice(nn.Module):
    """Reads what a convolution makes beside the batch norm, which no hook sees."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


def test_a_convolution_that_is_read_twice_is_left_alone() -> None:
    model = trained(NETWORKS["resnet18"]())
    conv, norm = nn.Conv2d(5, 5, 1), nn.BatchNorm2d(5)
    norm.running_mean, norm.running_var = torch.rand(5), 1 + torch.rand(5)
    model.head = nn.Sequential(model.head, Twice(conv, norm)).eval()
    assert find_fusions(model) == Fusions()
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, Fusions())(image), model(image))


def test_a_convolution_that_is_called_twice_is_left_alone() -> None:
    model = trained(NETWORKS["resnet18"]())
    shared, norms_after = nn.Conv2d(5, 5, 1), [nn.BatchNorm2d(5).eval(), nn.BatchNorm2d(5).eval()]
    norms_after[0].running_mean = torch.rand(5)
    model.head = nn.Sequential(model.head, shared, norms_after[0], shared, norms_after[1])
    norms = find_fusions(model).norms
    assert norms
    assert not any(name.startswith("head") for name in norms)


def test_a_network_of_one_size_is_not_folded() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] != 96:
                raise ValueError("only 96 wide")
            return x

    model = trained(NETWORKS["resnet18"]())
    model.decoder = nn.Sequential(Picky(), model.decoder)
    assert find_fusions(model) == Fusions()


def test_what_a_training_does_to_a_network_is_no_obstacle() -> None:
    model = trained(NETWORKS["lite0"]())
    recomputing, synchronized = copy.deepcopy(model), copy.deepcopy(model)
    checkpoint_activations(recomputing)
    synchronize_batch_norm(synchronized, on_gpu=False)
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        expected = prepare(model, find_fusions(model))(image)
        for other in (recomputing, synchronized):
            prepared = prepare(other, find_fusions(other))
            assert norms(prepared) == 0
            assert torch.equal(prepared(image), expected)


def test_a_context_is_part_of_it() -> None:
    network = smp.FPN("resnet18", encoder_weights=None, classes=5)
    model = add_context(network, lambda channels: ReNet(channels, hidden=4), stride=8).eval()
    image = torch.rand(1, 3, 70, 99)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, find_fusions(model))(image), model(image), rtol=1e-4, atol=1e-4)


def test_without_what_torch_keeps_for_its_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network runs as it is."""
    model = trained(NETWORKS["lite0"]())
    monkeypatch.setattr(fused, "torch", SimpleNamespace(ops=SimpleNamespace(mkldnn=None), float32=torch.float32))
    assert find_fusions(model) == Fusions()


def test_without_onednn_norms_are_folded_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(NETWORKS["lite0"]())
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    fusions = find_fusions(model)
    assert fusions.norms
    assert fusions.convolutions == {}
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, fusions)(image), model(image), rtol=1e-4, atol=1e-4)


class Scaled(nn.Module):
    """Reads a convolution's weights beside calling it, which makes no difference that a hook sees."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.conv.weight.mean() + self.conv.in_channels


def test_a_network_that_asks_its_convolution_is_left_alone() -> None:
    model = trained(NETWORKS["resnet18"]())
    model.head = nn.Sequential(model.head, Scaled(5)).eval()
    assert find_fusions(model) == Fusions()
