"""L-RNN: sweeps with summed directions, whose recurrence starts at zero."""

from torch import Tensor, nn

from segrnn.context.sweep import Sweep


class LRNN(nn.Module):
    """ReLU sweeps along the rows and then the columns; directions are summed, and each starts as a plain 1 x 1 layer.

    Xie, Noble and Zisserman 2016, "Layer recurrent neural networks"::

        h[j] = ReLU(U x[j] + W h[j-1] + b),  W <- 0;  out = hF + hB

    With W at zero the module starts as two pointwise layers: a trained network can be given it. Deviations: no
    LayerNorm inside the recurrence (`Residual` has a norm behind it), and a 1 x 1 convolution back to C channels.

    Args:
        channels: C of the map.
        hidden: state size D.

    Raises:
        ValueError: a hidden size below 1, or (called) a map of other channels.

    Example:
        >>> LRNN(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.rows = Sweep(channels, hidden, axis=3, cell="irnn", merge="sum")
        self.columns = Sweep(hidden, hidden, axis=2, cell="irnn", merge="sum")
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows
        for name, parameter in self.named_parameters():
            if "weight_hh" in name:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Look along both axes of ``(B, C, H, W)``; same shape out."""
        return self.project(self.columns(self.rows(x)))
