"""A control for the recurrent contexts that knows where it is."""

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive


class CoordinateConvolutions(nn.Module):
    """Two 3 x 3 convolutions that also read the row and the column of each position.

    Liu et al. 2018, "An intriguing failing of convolutional neural networks and the CoordConv solution", arXiv
    1807.03247. Position (i, j) of an H x W map has the coordinates ``(2 i + 1) / H - 1`` and ``(2 j + 1) / W - 1``. A
    sweep can count its steps, so it knows where it is, too. This control shows how much of its gain is that knowledge.
    In a network that is trained on crops, the coordinates are those in the crop.

    Args:
        channels: C, the number of channels of the map.
        hidden: the number of channels between the two convolutions.

    Raises:
        ValueError: a number is below 1, or (when called) the map has another number of channels.

    Example:
        >>> CoordinateConvolutions(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.first = nn.Conv2d(channels + 2, positive("hidden", hidden), kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(hidden)
        self.second = nn.Conv2d(hidden + 2, channels, kernel_size=3, padding=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        hidden = self.norm(self.first(_with_coordinates(x))).relu()
        return self.second(_with_coordinates(hidden))


def _with_coordinates(x: Tensor) -> Tensor:
    """Join rows and columns to a map: ``(B, C, H, W) -> (B, C + 2, H, W)``."""
    batch, _, height, width = x.shape
    rows = _centres(height, x)[:, None].expand(batch, 1, height, width)
    columns = _centres(width, x).expand(batch, 1, height, width)
    return torch.cat([x, rows, columns], dim=1)


def _centres(count: int, like: Tensor) -> Tensor:
    """Return the centres of equal parts of the range from -1 to 1."""
    return (2 * torch.arange(count, device=like.device, dtype=like.dtype) + 1) / count - 1
