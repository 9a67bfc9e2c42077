"""Freezing an encoder, or its first stages: they stay as they are while the rest of the network is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from segrnn.models.encoders import levels
from segrnn.models.trial import try_encoder


class Frozen:
    """The frozen part of an encoder, from the image on.

    Its parameters get no gradients. Its modules are in evaluation mode, so that batch norms keep their statistics and
    nothing is dropped. Both last until `thaw`. Gradients and maps of the frozen part are not computed or kept.

    Args:
        encoder: the encoder, which is changed in place.
        stages: the number of stages. 3 freezes all that the map at stride 8 and finer maps depend on. None freezes the
            whole encoder.

    Raises:
        ValueError: the encoder has no such stage.

    Example:
        >>> from segrnn.models import FCN
        >>> encoder = FCN("resnet18", classes=2, width=8).encoder
        >>> frozen = Frozen(encoder, stages=3)
        >>> [encoder.layer2.training, encoder.layer3.training]
        [False, True]
    """

    def __init__(self, encoder: Any, stages: int | None = None) -> None:
        own = list(encoder.parameters()) if stages is None else _read_by(encoder, stages)
        self.parameters = [parameter for parameter in own if parameter.requires_grad]
        held = set(own)
        self.modules = [part for part in encoder.modules() if held.issuperset(of := [*part.parameters()]) and of]
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        for module in self.modules:
            module.eval()

    def thaw(self) -> None:
        """Train the frozen part from now on."""
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        for module in self.modules:
            module.train()

    @contextmanager
    def as_trained(self) -> Iterator[None]:
        """Let the parameters look as if they were trained, for an optimizer that trains them after `thaw`."""
        before = [parameter.requires_grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        try:
            yield
        finally:
            for parameter, trained in zip(self.parameters, before, strict=True):
                parameter.requires_grad_(trained)


@torch.enable_grad()
def _read_by(encoder: Any, stages: int) -> list[nn.Parameter]:
    """Return the parameters that the maps of the first stages depend on."""
    known = {depth: level.stride for depth, level in enumerate(levels(encoder)) if depth > 0 and level.channels}
    if stages not in known:
        listed = ", ".join(f"{depth} (stride {stride})" for depth, stride in known.items())
        raise ValueError(f"the encoder has no stage {stages}; it has the stages {listed}")
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    if not parameters:
        return list(encoder.parameters())
    total = torch.stack([features.sum() for features in try_encoder(encoder, 64)[1 : stages + 1]]).sum()
    found = torch.autograd.grad(total, parameters, allow_unused=True)
    return [parameter for parameter, gradient in zip(parameters, found, strict=True) if gradient is not None]
