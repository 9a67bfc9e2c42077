"""A local context followed by a global one."""

from torch import Tensor, nn

from segrnn.context.arguments import check_map
from segrnn.context.renet import Order, ReNet


class LocalGlobal(nn.Module):
    """A 3 x 3 convolution followed by a `ReNet`.

    The two complement each other: recurrences are weak at local detail, and convolutions at large distances.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the state size of each direction of the ReNet.
        cell: the recurrent cell, as in `Sweep`.
        order: the order of the sweeps, as in `ReNet`.
        depthwise: whether each channel is convolved by itself. This takes 9 C weights; a plain convolution has 9 C * C.

    Raises:
        ValueError: the cell or the order is unknown, a hidden size is below 1, or (when called) the map has another
            number of channels.

    Example:
        >>> LocalGlobal(channels=24, hidden=8, depthwise=True)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 64,
        cell: str = "gru",
        order: Order = "columns_rows",
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.renet = ReNet(channels, hidden, cell, order)
        self.local = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels if depthwise else 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a map ``(B, C, H, W)`` and sweep it along both axes. Its shape stays the same."""
        check_map(x, self.channels)
        local = self.local(x)
        return local + self.renet(local)
