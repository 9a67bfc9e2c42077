"""What segrnn needs to know about an encoder of segmentation_models_pytorch."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Level(NamedTuple):
    """One map of a feature pyramid."""

    channels: int
    stride: int


def levels(encoder: Any) -> list[Level]:
    """The maps that an encoder gives, from the image's own resolution down; a dilated stage keeps its stride."""
    return [
        Level(channels, stride=min(2**depth, encoder.output_stride))
        for depth, channels in enumerate(encoder.out_channels)
    ]


@torch.enable_grad()
def drop_unused(encoder: nn.Module) -> None:
    """Replace, in place, the layers behind the last feature map by identities.

    Encoders that are asked for fewer stages keep the deeper ones: their parameters would never have a gradient, and
    timm's EfficientNets compute them as well.
    """
    training = encoder.training
    encoder.eval()  # keeps the running statistics of batch norms as they are
    features = encoder(torch.zeros(1, 3, 64, 64))
    torch.stack([feature.sum() for feature in features]).sum().backward()
    _replace_without_gradient(encoder)
    encoder.zero_grad(set_to_none=True)
    encoder.train(training)


@torch.enable_grad()
def levels_read(features: list[Tensor], decoder: nn.Module) -> list[int]:
    """Which maps of a pyramid a decoder makes use of; a context on any other would never be heard."""
    leaves = [feature.detach().requires_grad_() for feature in features]
    gradients = torch.autograd.grad(decoder(leaves).sum(), leaves, allow_unused=True)
    return [i for i, gradient in enumerate(gradients) if gradient is not None]


def _replace_without_gradient(module: nn.Module) -> None:
    for name, child in module.named_children():
        parameters = list(child.parameters())
        if parameters and all(parameter.grad is None for parameter in parameters):
            setattr(module, name, nn.Identity())
        else:
            _replace_without_gradient(child)
