"""What the exported graph computes."""

import torch
from torch import Tensor, nn

from segrnn.datasets import Preprocessing

Size = tuple[int, int]
"""Height and width."""


class Exported(nn.Module):
    """A network with what its file is to do besides: normalise pixels before it, and choose classes behind it.

    Resizing stays outside of the graph: `Preprocessing.scale` and `Preprocessing.base_size` are for the program that
    runs the file, which finds them in the file's metadata and scales logits or labels back itself.

    Args:
        model: maps ``(N, 3, H, W)`` to logits ``(N, K, H, W)``, on the CPU; put into evaluation mode, not copied.
        preprocessing: whose mean and deviation the graph normalises by; its input is then uint8 pixels. None: the
            input is float32 that has been normalised before.
        argmax: give train ids ``(N, H, W)``, uint8, in place of logits.

    Example:
        >>> exported = Exported(nn.Conv2d(3, 4, 1), Preprocessing((0.5,) * 3, (0.5,) * 3), argmax=True)
        >>> exported(torch.zeros(2, 3, 5, 7, dtype=torch.uint8)).shape
        torch.Size([2, 5, 7])
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing | None, argmax: bool) -> None:
        super().__init__()
        self.model = model
        self.preprocessing = preprocessing
        self.argmax = argmax
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Pixels or normalised values ``(N, 3, H, W)`` to labels ``(N, H, W)`` or logits ``(N, K, H, W)``."""
        logits = self.logits(image)
        return logits.argmax(dim=1).to(torch.uint8) if self.argmax else logits

    def logits(self, image: Tensor) -> Tensor:
        """The logits ``(N, K, H, W)``, also where the graph gives labels."""
        return self.model(image if self.preprocessing is None else self.preprocessing.normalize(image))

    def draw_input(self, batch: int, size: Size, seed: int) -> Tensor:
        """A random input ``(N, 3, H, W)`` of the kind that the graph takes: flat rectangles under noise."""
        generator = torch.Generator().manual_seed(seed)
        height, width = size
        colors = torch.randn(batch, 3, 4, 5, generator=generator)
        rows, columns = torch.arange(height) * 4 // height, torch.arange(width) * 5 // width
        values = colors[:, :, rows][..., columns] + torch.randn(batch, 3, height, width, generator=generator) / 4
        return values if self.preprocessing is None else (128 + 50 * values).clamp(0, 255).to(torch.uint8)
