"""Encoders of segmentation_models_pytorch: making them, and asking for their maps and channels."""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from segrnn.compat import smp, timm
from segrnn.models.plain_transformer import PlainTransformer, is_plain
from segrnn.models.trial import try_encoder
from segrnn.text import nearest


class Level(NamedTuple):
    """One map of a feature pyramid."""

    channels: int
    stride: int


def check_encoder_name(name: str) -> None:
    """Refuse an encoder name that no installed library has.

    timm would ask a hub for such a name, or read it from a folder.

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


def check_pyramid(network: str, encoder_name: str) -> None:
    """Refuse an encoder whose maps a network of segmentation_models_pytorch can't read, before anything is built.

    Args:
        network: the name of the network's class.
        encoder_name: the encoder's name.

    Raises:
        ValueError: the two don't fit.

    Example:
        >>> check_pyramid("Linknet", "mit_b0")
        Traceback (most recent call last):
        ValueError: Linknet reads a map at stride 2, which mit_b0 lacks; Unet, MAnet, FPN and Segformer do without it
    """
    if is_plain(encoder_name):
        raise ValueError(
            f"{encoder_name} is a plain transformer, whose maps all have one size; {network} reads a map for each "
            "stride, which model=fcn and model=fcn_stride8 make from them"
        )
    if network in ("Linknet", "UnetPlusPlus") and encoder_name.startswith("mit_"):
        raise ValueError(
            f"{network} reads a map at stride 2, which {encoder_name} lacks; Unet, MAnet, FPN and Segformer do without "
            "it"
        )


def make_encoder(name: str, depth: int, output_stride: int = 32, in_channels: int = 3, finest: int = 4) -> Any:
    """Make an encoder without trained weights and without layers that no map needs.

    Args:
        name: any encoder of segmentation_models_pytorch (``tu-...`` for timm's).
            A transformer whose maps all have one size becomes a `PlainTransformer`.
        depth: the number of stages.
        output_stride: the stride of the coarsest map. 8 or 16 turns the strides of the deeper stages into dilation (Yu
            and Koltun 2016, arXiv 1511.07122). Their maps stay that fine, but take more time and memory.
        in_channels: the number of channels of an image.
        finest: the stride of the finest map that is needed. A `PlainTransformer` makes no finer map.

    Raises:
        ValueError: there is no such encoder, or it can't be dilated to that stride.
    """
    check_encoder_name(name)
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    if is_plain(name):
        if output_stride != 32:
            raise ValueError(f"{name} can't be dilated to output_stride={output_stride}: it is a plain transformer")
        encoder = PlainTransformer(name.removeprefix("tu-"), depth, in_channels, finest)
        drop_unused(encoder)
        return encoder
    make = partial(smp.encoders.get_encoder, name, in_channels=in_channels, depth=depth, weights=None)
    if output_stride == 32:
        encoder = make()
    else:
        try:
            encoder = make(output_stride=output_stride)
        except (AssertionError, TypeError, ValueError) as error:  # each library refuses with an error of its own
            raise ValueError(
                f"{name} can't be dilated to output_stride={output_stride} (ResNets can, and most EfficientNets)"
                + (f": {error}" if str(error) else "")
            ) from error
    drop_unused(encoder)
    return encoder


def levels(encoder: Any) -> list[Level]:
    """Return the levels of the maps that an encoder gives, from the image's own resolution down.

    The stride stops growing where the stages are dilated.
    """
    return [
        Level(channels, stride=min(2**depth, encoder.output_stride))
        for depth, channels in enumerate(encoder.out_channels)
    ]


@torch.enable_grad()
def drop_unused(encoder: Any) -> None:
    """Replace the layers behind the last feature map by layers that do nothing, in place.

    An encoder that is asked for fewer stages keeps the deeper ones. Their parameters would never have a gradient, and
    timm's EfficientNets would still compute them.
    """
    torch.stack([feature.sum() for feature in try_encoder(encoder, 64)]).sum().backward()
    _replace_without_gradient(encoder)
    encoder.zero_grad(set_to_none=True)


@torch.enable_grad()
def levels_read(features: list[Tensor], decoder: nn.Module) -> list[int]:
    """Return the indices of the maps that a decoder uses. A context on any other map would have no effect."""
    leaves = [feature.detach().requires_grad_() for feature in features]
    gradients = torch.autograd.grad(decoder(leaves).sum(), leaves, allow_unused=True)
    return [i for i, gradient in enumerate(gradients) if gradient is not None]


class _Skipped(nn.Module):
    """The place of a layer that is not needed. Some layers take more arguments than a map."""

    def forward(self, x: Tensor, *_: Any) -> Tensor:
        return x


def _replace_without_gradient(module: nn.Module) -> None:
    for name, child in module.named_children():
        parameters = list(child.parameters())
        if parameters and all(parameter.grad is None for parameter in parameters):
            setattr(module, name, _Skipped())
        else:
            _replace_without_gradient(child)
