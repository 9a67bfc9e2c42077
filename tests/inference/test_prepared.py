"""What is prepared for inference computes the same."""

import copy

import pytest
import torch
from torch import Tensor, nn

from segrnn.context import ReNet
from segrnn.inference import find_pairs, prepare
from segrnn.libraries import smp
from segrnn.models import FCN, Segmenter, add_context, recompute_encoder
from segrnn.training.synchronize import synchronize_batch_norm

NETWORKS = {
    "lite0": lambda: FCN("tu-tf_efficientnet_lite0", classes=5, encoder_depth=3, width=8),
    "resnet18": lambda: FCN("resnet18", classes=5, width=8),
    "unet": lambda: smp.Unet("vgg11_bn", encoder_weights=None, classes=5),
    "deeplabv3plus": lambda: smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=5),
    "segformer": lambda: smp.Segformer("mit_b0", encoder_weights=None, classes=5),
    "densenet": lambda: smp.FPN("densenet121", encoder_weights=None, classes=5),  # norms before convolutions, too
}


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


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_the_same_but_for_rounding(name: str) -> None:
    model = trained(NETWORKS[name]())
    before = copy.deepcopy(model.state_dict())
    pairs = find_pairs(model)
    prepared = prepare(model, pairs)
    assert len(pairs) == norms(model) - norms(prepared) > 0
    assert name == "densenet" or norms(prepared) == 0
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    image = torch.rand(1, 3, 75, 101)
    with torch.inference_mode():
        expected, logits = model(image), prepared(image)
        assert logits.sub(expected).abs().max() < 1e-4 * expected.abs().max()
        double = prepare(copy.deepcopy(model).double(), pairs)(image.double())
        torch.testing.assert_close(double, copy.deepcopy(model).double()(image.double()), rtol=1e-9, atol=1e-9)


def test_it_follows_the_weights_that_it_is_made_of() -> None:
    model = trained(NETWORKS["resnet18"]())
    pairs = find_pairs(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, pairs)(image), model(image), rtol=1e-3, atol=1e-3)


def test_modes_gradients_and_hooks_stay_as_they_were() -> None:
    model = trained(NETWORKS["lite0"]()).train()
    model.encoder.eval()
    prepare(model, find_pairs(model))
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
    assert find_pairs(model) == {}
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, {})(image), model(image))


def test_a_convolution_that_is_called_twice_is_left_alone() -> None:
    model = trained(NETWORKS["resnet18"]())
    shared, norms_after = nn.Conv2d(5, 5, 1), [nn.BatchNorm2d(5).eval(), nn.BatchNorm2d(5).eval()]
    norms_after[0].running_mean = torch.rand(5)
    model.head = nn.Sequential(model.head, shared, norms_after[0], shared, norms_after[1])
    pairs = find_pairs(model)
    assert pairs
    assert not any(name.startswith("head") for name in pairs)


def test_a_network_of_one_size_is_not_folded() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] != 96:
                raise ValueError("only 96 wide")
            return x

    model = trained(NETWORKS["resnet18"]())
    model.decoder = nn.Sequential(Picky(), model.decoder)
    assert find_pairs(model) == {}


def test_what_a_training_does_to_a_network_is_no_obstacle() -> None:
    model = trained(NETWORKS["lite0"]())
    recomputing, synchronized = copy.deepcopy(model), copy.deepcopy(model)
    recompute_encoder(recomputing)
    synchronize_batch_norm(synchronized, on_gpu=False)
    image = torch.rand(1, 3, 40, 51)
    with torch.inference_mode():
        expected = prepare(model, find_pairs(model))(image)
        for other in (recomputing, synchronized):
            prepared = prepare(other, find_pairs(other))
            assert norms(prepared) == 0
            assert torch.equal(prepared(image), expected)


def test_a_context_is_part_of_it() -> None:
    network = smp.FPN("resnet18", encoder_weights=None, classes=5)
    model = add_context(network, lambda channels: ReNet(channels, hidden=4), stride=8).eval()
    image = torch.rand(1, 3, 70, 99)
    with torch.inference_mode():
        torch.testing.assert_close(prepare(model, find_pairs(model))(image), model(image), rtol=1e-4, atol=1e-4)
