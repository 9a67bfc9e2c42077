"""L-RNN: sweeps with summed directions. Their recurrent weights start at zero."""

from torch import Tensor, nn

from segrnn.context.sweep import Sweep


class LRNN(nn.Module):
    """ReLU sweeps along the rows and then along the columns, with the states of both directions summed.

    See Xie, Noble and Zisserman 2016, "Layer recurrent neural networks"::

        h[j] = ReLU(U x[j] + W h[j-1] + b),  W <- 0;  out = hF + hB

    With W at zero, each direction starts as a 1 x 1 layer. So the module can be added to a trained network. Deviations:
    there is no LayerNorm inside the recurrence (`Residual` has a norm behind the context), and a 1 x 1 convolution
    leads back to C channels.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the state size.

    Raises:
        ValueError: a hidden size is below 1, or (when called) the map has another number of channels.

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
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        return self.project(self.columns(self.rows(x)))
