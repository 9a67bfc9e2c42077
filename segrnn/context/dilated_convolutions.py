"""A stack of dilated convolutions: the convolutional rival that sees as far as a sweep on a small map."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive


class DilatedConvolutions(nn.Module):
    """A stack of 3 x 3 convolutions, each with a larger dilation than the one before.

    The context module of Yu and Koltun 2016, "Multi-scale context aggregation by dilated convolutions", arXiv
    1511.07122. With rates r, a position sees ``sum(r)`` positions in each direction: 31 by default. Deviations: there
    are batch norms, the channels become fewer inside, and weights do not start as the identity.

    Args:
        channels: C, the number of channels of the map.
        hidden: the number of channels between the convolutions.
        rates: the dilation of each convolution; two or more.

    Raises:
        ValueError: a number is below 1, there are fewer than two rates, or (when called) the map has another number of
            channels.

    Example:
        >>> DilatedConvolutions(channels=24, hidden=8, rates=(1, 2))(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, rates: Sequence[int] = (1, 2, 4, 8, 16)) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        if len(rates) < 2:
            raise ValueError(f"rates must have two numbers or more, got {list(rates)}")
        inside = [positive("hidden", hidden)] * (len(rates) - 1)
        layers: list[nn.Module] = []
        for (before, after), rate in zip(pairwise([channels, *inside, channels]), rates, strict=True):
            layers += [
                nn.Conv2d(before, after, kernel_size=3, padding=rate, dilation=positive("rates", rate), bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers[:-2])  # a norm follows the last convolution

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        return self.layers(x)
