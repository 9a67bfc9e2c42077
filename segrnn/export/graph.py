"""The module that is exported: a network with normalisation before it and a choice of classes behind it."""

import torch
from torch import Tensor, nn

from segrnn.images import BYTE, Preprocessing

Size = tuple[int, int]
"""Height and width."""


class Exported(nn.Module):
    """A network that can also normalise pixels before it and choose classes behind it, as its exported file will do.

    Resizing stays outside of the graph. The program that runs the file finds `Preprocessing.scale` and
    `Preprocessing.base_size` in the file's metadata. It resizes the image, and scales logits or labels back, by itself.

    Args:
        model: the network on the CPU, which maps ``(N, C, H, W)`` to logits ``(N, K, H, W)``. It is put into evaluation
            mode, not copied.
        preprocessing: the mean and the deviation with which the graph normalises its input: uint8 pixels, or float32 if
            images don't have 8 bits. None means that the input is float32 and has been normalised before.
        argmax: whether the graph gives train ids ``(N, H, W)``, uint8, instead of logits.
        channels: C, the number of channels of an image.

    Example:
        >>> exported = Exported(nn.Conv2d(3, 4, 1), Preprocessing((0.5,) * 3, (0.5,) * 3), argmax=True)
        >>> exported(torch.zeros(2, 3, 5, 7, dtype=torch.uint8)).shape
        torch.Size([2, 5, 7])
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing | None, argmax: bool, channels: int = 3) -> None:
        super().__init__()
        self.model = model
        self.preprocessing = preprocessing
        self.argmax = argmax
        self.channels = channels
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Map pixels or normalised values ``(N, C, H, W)`` to labels ``(N, H, W)`` or logits ``(N, K, H, W)``."""
        logits = self.logits(image)
        return logits.argmax(dim=1).to(torch.uint8) if self.argmax else logits

    def logits(self, image: Tensor) -> Tensor:
        """Compute the logits ``(N, K, H, W)``, even if the graph gives labels."""
        return self.model(image if self.preprocessing is None else self.preprocessing.normalize(image))

    def draw_input(self, batch: int, size: Size, seed: int) -> Tensor:
        """Draw a random input ``(N, C, H, W)`` of the kind that the graph takes: flat rectangles with noise."""
        generator = torch.Generator().manual_seed(seed)
        height, width = size
        colors = torch.randn(batch, self.channels, 4, 5, generator=generator)
        rows, columns = torch.arange(height) * 4 // height, torch.arange(width) * 5 // width
        flat = colors[:, :, rows][..., columns]
        values = flat + torch.randn(batch, self.channels, height, width, generator=generator) / 4
        if self.preprocessing is None:
            return values
        pixels = 128 + 50 * values
        white = self.preprocessing.white
        return pixels.clamp(0, BYTE).to(torch.uint8) if white == BYTE else pixels * (white / BYTE)
