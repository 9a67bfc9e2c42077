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
    """Bidirectional sweeps along one axis and then along the other. So every output position sees the whole map.

    See Visin et al. 2015, "ReNet: A recurrent neural network based alternative to convolutional networks",
    arXiv 1505.00393, equations 1 to 4. The first sweep reads each column of patches up and down. The second sweep reads
    each row of the result left and right. Deviations: patches are 1 x 1 by default, because a convolutional encoder has
    reduced the image already. A 1 x 1 convolution brings the 2 D states back to C channels, so that any D fits any map.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the state size of each direction. cuDNN's fast kernel trains sizes up to 128.
        cell: the recurrent cell, as in `Sweep`.
        order: ``columns_rows`` as in the paper, or ``rows_columns`` as in the authors' code for ReSeg.
        depth: the number of layers. Each layer has two sweeps.
        patch: p, the side of the patches. The map is cut into p x p patches and put together again at the end. The
            p * p * C values of a patch are one step. A map that p does not divide is padded with zeros, and cropped at
            the end.

    Raises:
        ValueError: the cell or the order is unknown, or a number is below 1. When called: the map has another number of
            channels, or is smaller than a patch.

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
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        if self.patch == 1:  # nothing needs to be cut, and cutting would make a copy
            return self.project(self.sweeps(x))
        height, width = x.shape[-2:]
        if min(height, width) < self.patch:
            raise ShapeError(f"a patch of {self.patch} x {self.patch} is larger than the map of {height} x {width}")
        patches = F.pixel_unshuffle(F.pad(x, (0, -width % self.patch, 0, -height % self.patch)), self.patch)
        return F.pixel_shuffle(self.project(self.sweeps(patches)), self.patch)[..., :height, :width]
