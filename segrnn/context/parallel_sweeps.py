"""Sweeps along both axes of the same map, side by side."""

import torch
from torch import Tensor, nn

from segrnn.context.sweep import Sweep


class ParallelSweeps(nn.Module):
    """Bidirectional sweeps along the columns and along the rows of the same input, mixed by a 1 x 1 convolution.

    ::

        y = P [Sweep_columns(x); Sweep_rows(x)]

    This is the BiLSTM2D of Tatsunami and Taki 2022, "Sequencer: Deep LSTM for image classification", arXiv 2205.01972,
    equations 5 to 7 (there with ``cell="lstm"``), and the unstacked form of ReSeg. Each position sees its own row and
    column, not the whole map. The two sweeps do not depend on each other.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the state size of each direction.
        cell: the recurrent cell, as in `Sweep`.

    Raises:
        ValueError: the cell is unknown, a hidden size is below 1, or (when called) the map has another number of
            channels.

    Example:
        >>> ParallelSweeps(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, cell: str = "gru") -> None:
        super().__init__()
        self.columns = Sweep(channels, hidden, axis=2, cell=cell)
        self.rows = Sweep(channels, hidden, axis=3, cell=cell)
        self.project = nn.Conv2d(4 * hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Sweep the columns and the rows of a map ``(B, C, H, W)``. Its shape stays the same."""
        return self.project(torch.cat([self.columns(x), self.rows(x)], dim=1))
