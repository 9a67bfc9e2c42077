"""ReNet: recurrent sweeps over the columns, then over the rows."""

from torch import Tensor, nn

from segrnn.context.sweep import Sweep

_AXES = {"columns_rows": (2, 3), "rows_columns": (3, 2)}


class ReNet(nn.Module):
    """Two bidirectional GRU sweeps, one per axis, so that every output position has seen the whole map.

    Visin et al. 2015, "ReNet: A recurrent neural network based alternative to convolutional networks",
    arXiv 1505.00393, equations 1 to 4. The first sweep reads each column up and down; the second reads each row of
    the result left and right. Deviations: patches are 1 x 1 (a convolutional encoder has done the reduction), and a
    1 x 1 convolution brings the 2 D states back to C channels, so that any D fits any map.

    Args:
        channels: C of the map.
        hidden: state size D of each direction. cuDNN's fast kernel trains up to 128.
        order: ``columns_rows`` as in the paper, or ``rows_columns`` as in the authors' code for ReSeg.

    Raises:
        ValueError: an unknown order, or a hidden size below 1.

    Example:
        >>> ReNet(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, order: str = "columns_rows") -> None:
        super().__init__()
        if order not in _AXES:
            raise ValueError(f"order must be one of {sorted(_AXES)}, got {order!r}")
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, got {hidden}")
        first, second = _AXES[order]
        self.first = Sweep(channels, hidden, first)
        self.second = Sweep(2 * hidden, hidden, second)
        self.project = nn.Conv2d(2 * hidden, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Look along both axes of ``(B, C, H, W)``; same shape out."""
        return self.project(self.second(self.first(x)))
