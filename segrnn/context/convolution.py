"""The control: local context of matched size."""

from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive


class Convolutions(nn.Module):
    """Two 3 x 3 convolutions: what a sweep must beat at no more parameters.

    Args:
        channels: C of the map.
        hidden: channels between the two.

    Raises:
        ValueError: a number below 1, or (called) a map of other channels.

    Example:
        >>> Convolutions(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 128) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, positive("hidden", hidden), kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, kernel_size=3, padding=1, bias=False),  # a norm follows
        )

    def forward(self, x: Tensor) -> Tensor:
        """Look at the 5 x 5 neighbourhood in ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        return self.layers(x)
