"""Networks whose every part matters, small ones and real ones."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.context import AxialDecay, LateralSweep, ParallelSweeps, PyramidPooling, ReNet, Residual
from segrnn.models import BLLA, Segmenter, add_context

Factory = Callable[[int], nn.Module]
CLASSES = 5
NETWORKS = {"unet": smp.Unet, "fpn": smp.FPN, "deeplabv3plus": smp.DeepLabV3Plus}
CONTEXTS: dict[str, Factory] = {
    "renet_gru": partial(ReNet, hidden=8),
    "renet_lstm": partial(ReNet, hidden=8, cell="lstm"),
    "renet_rnn": partial(ReNet, hidden=8, cell="rnn"),
    "parallel": partial(ParallelSweeps, hidden=8),
    "pyramid_pooling": partial(PyramidPooling, hidden=8),
    "lateral_sweep": partial(LateralSweep, hidden=8, kernel=3, steps=3),
    "axial_decay": partial(AxialDecay, hidden=8, keys=4),
}


OFTEN = ("unet", "renet_gru")
"""The network that stands for the others where an export takes long."""

EACH = [
    pytest.param(network, context, marks=pytest.mark.slow if (network, context) == OFTEN else pytest.mark.thorough)
    for network in NETWORKS
    for context in CONTEXTS
]


def randomize(model: nn.Module) -> None:
    """Weights and statistics as if trained: no projection is zero, no norm the identity."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
        elif name.endswith("weight"):
            nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            nn.init.normal_(parameter, 0, 0.3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.9  # statistics of what comes in, nearly
    model.train()
    with torch.no_grad():
        model(torch.randn(4, 3, 96, 96))
    model.eval()


def make(network: str, context: Factory) -> Segmenter:
    """A network of segmentation_models_pytorch, with a context at the stride that all of them read."""
    plain = NETWORKS[network]("tu-test_resnet", encoder_weights=None, classes=CLASSES)
    model = add_context(plain, context, stride=16)
    randomize(model)
    return model


class Patches(nn.Module):
    """The least of an encoder: one layer at stride 8."""

    output_stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 16, kernel_size=8, stride=8)

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image, self.layer(image).relu()]


class Last(nn.Module):
    """The least of a decoder."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return maps[-1]


def make_small(context: Factory) -> Segmenter:
    """A network that is exported in a second or two."""
    head = nn.Sequential(nn.Conv2d(16, CLASSES, 1), nn.Upsample(scale_factor=8, mode="bilinear"))
    network = SimpleNamespace(encoder=Patches(), decoder=Last(), segmentation_head=head)
    model = Segmenter(network, {1: Residual(context(16), 16)})
    randomize(model)
    return model


def make_blla() -> Segmenter:
    """BLLA, whose sweeps are not a context, with an eighth of its channels."""
    model = Segmenter(BLLA(CLASSES, width=8, hidden=4, groups=4))
    randomize(model)
    return model


def share_of_context(model: Segmenter) -> float:
    """By how much the logits would differ if the context said nothing, relative to the largest."""
    silent = deepcopy(model)
    silent.context = nn.ModuleDict()
    image = torch.randn(1, 3, 70, 90, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(image)
        return ((logits - silent(image)).abs().max() / logits.abs().max()).item()
