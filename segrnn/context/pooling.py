"""Pooling contexts: means over a pyramid of bins, means over strips, and convolutions at several dilations."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.context.arguments import check_map, positive


class PyramidPooling(nn.Module):
    """Pyramid pooling: a 3 x 3 convolution over the map and its means over 1 x 1, 2 x 2, 3 x 3 and 6 x 6 bins.

    See Zhao et al. 2017, "Pyramid scene parsing network", arXiv 1612.01105, section 3.2. The pyramid is
    segmentation_models_pytorch's. Deviations: the 3 x 3 convolution leads to `hidden` channels, and a 1 x 1 convolution
    leads back to C.

    Args:
        channels: C, the number of channels of the map, at least the number of sizes.
        hidden: the number of channels of the 3 x 3 convolution.
        sizes: the number of bins along each side, for every level of the pyramid.

    Raises:
        ValueError: a number is below 1, there are fewer channels than sizes, or (when called) the map has another
            number of channels.

    Example:
        >>> PyramidPooling(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, sizes: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        if not sizes or channels < len(sizes):
            raise ValueError(
                f"sizes={list(sizes)} must hold at least one size, and at most as many as channels={channels}"
            )
        bins = tuple(positive("sizes", size) for size in sizes)
        self.pyramid = smp.decoders.pspnet.decoder.PSPModule(channels, bins)
        width = channels + channels // len(bins) * len(bins)
        self.bottleneck = nn.Sequential(
            nn.Conv2d(width, positive("hidden", hidden), kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
        )
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Add the means of regions to a map ``(B, C, H, W)`` and convolve it. Its shape stays the same."""
        check_map(x, self.channels)
        return self.project(self.bottleneck(self.pyramid(x)))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: parallel convolutions at several dilations and a mean over the whole map.

    The branches are 3 x 3 convolutions at three dilations, a 1 x 1 convolution and the global mean. See Chen et al.
    2017, "Rethinking atrous convolution", arXiv 1706.05587, section 3.3. The module is segmentation_models_pytorch's.
    Deviations: there is no dropout. The global mean has no batch norm, because batch statistics of one value do not
    exist for a batch of 1. A 1 x 1 convolution leads back to C channels.

    Args:
        channels: C, the number of channels of the map.
        hidden: the number of channels of each branch.
        rates: three dilations. 12, 24 and 36 are meant for a map at stride 8.

    Raises:
        ValueError: a number is below 1, there are not three rates, or (when called) the map has another number of
            channels.

    Example:
        >>> ASPP(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, rates: Sequence[int] = (12, 24, 36)) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        if len(rates) != 3:
            raise ValueError(f"rates must be three dilations, got {list(rates)}")
        dilations = [positive("rates", rate) for rate in rates]
        self.aspp = smp.decoders.deeplabv3.decoder.ASPP(
            channels, positive("hidden", hidden), dilations, separable=False, dropout=0.0
        )
        self.aspp.convs[-1][2] = nn.Identity()  # in place of the norm of the global mean
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a map ``(B, C, H, W)`` at several dilations. Its shape stays the same."""
        check_map(x, self.channels)
        return self.project(self.aspp(x))


class StripPooling(nn.Module):
    """Strip pooling: a gate on the map, made from the means of whole rows and whole columns.

    Each strip of means is convolved along itself. See Hou et al. 2020, "Strip pooling", arXiv 2003.13328, section
    3.1::

        y = sigmoid(P ReLU(K_h * mean over each row + K_v * mean over each column)) * x

    Deviation: convolutions have biases instead of batch norms, because batch statistics do not exist for a strip of
    one value.

    Args:
        channels: C, the number of channels of the map.
        hidden: the number of channels of the strips.

    Raises:
        ValueError: a number is below 1, or (when called) the map has another number of channels.

    Example:
        >>> StripPooling(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.down = nn.Conv1d(channels, positive("hidden", hidden), kernel_size=3, padding=1)
        self.along = nn.Conv1d(channels, hidden, kernel_size=3, padding=1)
        self.gate = nn.Conv2d(hidden, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Gate each position of a map ``(B, C, H, W)`` by its row and its column. The map's shape stays the same."""
        check_map(x, self.channels)
        rows = self.down(x.mean(dim=3)).unsqueeze(3)
        columns = self.along(x.mean(dim=2)).unsqueeze(2)
        return torch.sigmoid(self.gate(torch.relu(rows + columns))) * x
