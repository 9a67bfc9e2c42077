"""Trial runs of an encoder on black images, which show what it computes before any data is read."""

from typing import Any

from torch import Tensor, nn

from segrnn.models.modes import evaluating


def black_images(encoder: nn.Module, count: int, height: int, width: int) -> Tensor:
    """Make black images ``(count, C, height, width)`` that an encoder takes: on its device and in its precision.

    C is 3 if the encoder does not state another number of channels.

    Example:
        >>> black_images(nn.Conv2d(3, 8, 3), count=1, height=64, width=64).shape
        torch.Size([1, 3, 64, 64])
    """
    parameter: Tensor = next(encoder.parameters())
    return parameter.new_zeros(count, getattr(encoder, "_in_channels", 3), height, width)


def try_encoder(encoder: nn.Module, side: int) -> Any:
    """Run an encoder on one small black image, and return its maps.

    It runs in evaluation mode, because the image is too small for batch statistics and must not change them.
    """
    with evaluating(encoder):
        return encoder(black_images(encoder, 1, side, side))
