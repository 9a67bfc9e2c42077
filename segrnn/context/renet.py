"""ReNet: recurrent sweeps over the columns, then over the rows."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context.arguments import check_map, choose, positive
from segrnn.context.sweep import Sweep
from segrnn.errors import ShapeError

Order = Literal["columns_rows", "rows_columns"]
AXES = {"columns_rows": (2, 3), "rows_columns": (3, 2)}
"""The axes that each order sweeps, first and second."""


class ReNet(nn.Module):
    """Bidirectional sweeps along one axis and then the other, so that every output position has seen the whole map.

    Visin et al. 2015, "ReNet: A recurrent neural network based alternative to convolutional networks",
    arXiv 1505.00393, equations 1 to 4. A first sweep reads each column of patches up and down; a second reads each row
    of the result left and right. Deviations: patches are 1 x 1 unless said otherwise (a convolutional encoder has done
    the reduction), and a 1 x 1 convolution brings the 2 D states back to C channels, so that any D fits any map.

    Args:
        channels: C of the map.
        hidden: state size D of each direction. cuDNN's fast kernel trains up to 128.
        cell: as in `Sweep`.
        order: ``columns_rows`` as in the paper, or ``rows_columns`` as in the authors' code for ReSeg.
        depth: layers, each of two sweeps.
        patch: side p of the patches; the map is cut into p x p patches, whose p * p * C values are one step, and put
            together again at the end. A map that p does not divide is padded by zeros, and cropped at the end.

    Raises:
        ValueError: an unknown cell or order, a number below 1; (called) other channels, or a map smaller than a patch.

    Example:
        >>> ReNet(channels=24, hidden=8, cell="lstm")(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 64,
        cell: str = "gru",
        order: Order = "columns_rows",
        depth: int = 1,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.patch = positive("patch", patch)
        axes = AXES[choose("order", order, AXES)]
        pixels = channels * patch**2
        sweeps = []
        width = pixels
        for axis in axes * positive("depth", depth):
            sweeps.append(Sweep(width, hidden, axis, cell))
            width = sweeps[-1].out_channels
        self.sweeps = nn.Sequential(*sweeps)
        self.project = nn.Conv2d(width, pixels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Look along both axes of ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        if self.patch == 1:  # there is nothing to cut, and cutting makes a copy
            return self.project(self.sweeps(x))
        height, width = x.shape[-2:]
        if min(height, width) < self.patch:
            raise ShapeError(f"a patch of {self.patch} x {self.patch} is larger than the map of {height} x {width}")
        patches = F.pixel_unshuffle(F.pad(x, (0, -width % self.patch, 0, -height % self.patch)), self.patch)
        return F.pixel_shuffle(self.project(self.sweeps(patches)), self.patch)[..., :height, :width]
