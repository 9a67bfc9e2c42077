"""What segrnn needs to know about an encoder of segmentation_models_pytorch."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from segrnn.compat import smp, timm
from segrnn.models.modes import evaluating
from segrnn.text import nearest


class Level(NamedTuple):
    """One map of a feature pyramid."""

    channels: int
    stride: int


def check_encoder_name(name: str) -> None:
    """Refuse a name that no installed library has: timm would ask a hub for it, or read it from a folder.

    Raises:
        ValueError: there is no such encoder.

    Example:
        >>> check_encoder_name("tu-hf-hub:somebody/something")
        Traceback (most recent call last):
        ValueError: there is no encoder 'tu-hf-hub:somebody/something'
        >>> check_encoder_name("resnet81")
        Traceback (most recent call last):
        ValueError: there is no encoder 'resnet81' (did you mean resnet18?)
    """
    of_timm = isinstance(name, str) and name.startswith("tu-")
    if of_timm and timm.is_model(name.removeprefix("tu-")):
        return
    if name not in smp.encoders.encoders:
        known = [f"tu-{model}" for model in timm.list_models()] if of_timm else smp.encoders.encoders
        raise ValueError(f"there is no encoder {name!r}{nearest(str(name), known)}")


def make_encoder(name: str, depth: int, output_stride: int = 32) -> Any:
    """An encoder without trained weights, and without layers that no map needs.

    Args:
        name: any encoder of segmentation_models_pytorch (``tu-...`` for timm's).
        depth: how many stages.
        output_stride: 8 or 16 turns the strides of the deeper stages into dilation (Yu and Koltun 2016, arXiv
            1511.07122): their maps stay that fine, at a price in time and memory.

    Raises:
        ValueError: there is no such encoder, it can't be dilated, or not to that stride.
    """
    check_encoder_name(name)
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    if output_stride == 32:
        encoder = smp.encoders.get_encoder(name, depth=depth, weights=None)
    else:
        try:
            encoder = smp.encoders.get_encoder(name, depth=depth, weights=None, output_stride=output_stride)
        except (AssertionError, TypeError, ValueError) as error:  # each library has its own way to say so
            raise ValueError(
                f"{name} can't be dilated to output_stride={output_stride} (ResNets can, and most EfficientNets)"
                + (f": {error}" if str(error) else "")
            ) from error
    drop_unused(encoder)
    return encoder


def levels(encoder: Any) -> list[Level]:
    """The maps that an encoder gives, from the image's own resolution down; a dilated stage keeps its stride."""
    return [
        Level(channels, stride=min(2**depth, encoder.output_stride))
        for depth, channels in enumerate(encoder.out_channels)
    ]


def small_image(encoder: Any, side: int) -> Tensor:
    """Make a black image that an encoder takes, ``(1, C, side, side)``, to see what it does with one."""
    parameter: Tensor = next(encoder.parameters())
    return parameter.new_zeros(1, in_channels(encoder), side, side)


def in_channels(encoder: nn.Module) -> int:
    """Return how many channels the images of an encoder have; 3 where it does not say so, as libraries' own do."""
    channels: int = getattr(encoder, "_in_channels", 3)
    return channels


@torch.enable_grad()
def drop_unused(encoder: Any) -> None:
    """Replace, in place, the layers behind the last feature map by identities.

    Encoders that are asked for fewer stages keep the deeper ones: their parameters would never have a gradient, and
    timm's EfficientNets compute them as well.
    """
    with evaluating(encoder):
        features = encoder(small_image(encoder, 64))
        torch.stack([feature.sum() for feature in features]).sum().backward()
    _replace_without_gradient(encoder)
    encoder.zero_grad(set_to_none=True)


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
