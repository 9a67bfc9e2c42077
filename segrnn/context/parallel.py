"""Both axes swept side by side."""

import torch
from torch import Tensor, nn

from segrnn.context.sweep import Sweep


class ParallelSweeps(nn.Module):
    """Bidirectional sweeps along the columns and along the rows of the same input, mixed by a 1 x 1 convolution.

    ::

        y = P [Sweep_columns(x); Sweep_rows(x)]

    The BiLSTM2D of Tatsunami and Taki 2022, "Sequencer: Deep LSTM for image classification", arXiv 2205.01972,
    equations 5 to 7 (there with ``cell="lstm"``), and the unstacked form of ReSeg. Each position sees its own row and
    column: a cross, not the whole map. The two sweeps do not wait for each other.

    Args:
        channels: C of the map.
        hidden: state size D of each direction.
        cell: as in `Sweep`.

    Raises:
        ValueError: an unknown cell, a hidden size below 1, or (called) a map of other channels.

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
        """Look along the row and the column of each position of ``(B, C, H, W)``; same shape out."""
        return self.project(torch.cat([self.columns(x), self.rows(x)], dim=1))
