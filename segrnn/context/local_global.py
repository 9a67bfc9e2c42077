"""Local, then global context."""

from torch import Tensor, nn

from segrnn.context.arguments import check_map
from segrnn.context.renet import Order, ReNet


class LocalGlobal(nn.Module):
    """A 3 x 3 convolution and then a `ReNet`: recurrence is weak at local detail, convolution at distance.

    Args:
        channels: C of the map.
        hidden: state size D of each direction of the ReNet.
        cell: as in `Sweep`.
        order: of the sweeps, as in `ReNet`.
        depthwise: convolve each channel on its own, with 9 C weights where the plain convolution has 9 C * C.

    Raises:
        ValueError: an unknown cell or order, a hidden size below 1, or (called) a map of other channels.

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
        """Look nearby and then along both axes of ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        local = self.local(x)
        return local + self.renet(local)
