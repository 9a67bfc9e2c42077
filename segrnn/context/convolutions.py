"""The control for the recurrent contexts: a local context with a similar number of parameters."""

from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive


class Convolutions(nn.Module):
    """Two 3 x 3 convolutions, as a control: a sweep must beat them without more parameters.

    Args:
        channels: C, the number of channels of the map.
        hidden: the number of channels between the two convolutions.

    Raises:
        ValueError: a number is below 1, or (when called) the map has another number of channels.

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
        """Convolve the 5 x 5 neighbourhoods of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        return self.layers(x)
