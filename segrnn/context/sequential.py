"""Local, then global context."""

from torch import Tensor, nn

from segrnn.context.renet import ReNet


class ConvolutionReNet(nn.Module):
    """A 3 x 3 convolution and then a `ReNet`: recurrence is weak at local detail, convolution at distance.

    Args:
        channels: C of the map.
        hidden: state size D of each direction of the ReNet.
        order: of the sweeps, as in `ReNet`.

    Raises:
        ValueError: an unknown order, or a hidden size below 1.

    Example:
        >>> ConvolutionReNet(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, order: str = "columns_rows") -> None:
        super().__init__()
        self.local = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.renet = ReNet(channels, hidden, order)

    def forward(self, x: Tensor) -> Tensor:
        """Look nearby and then along both axes of ``(B, C, H, W)``; same shape out."""
        local = self.local(x)
        return local + self.renet(local)
