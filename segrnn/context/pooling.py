"""Contexts that average: over a pyramid of bins, over strips, and at several dilations."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.context.arguments import check_map, positive


class PyramidPooling(nn.Module):
    """Means over 1 x 1, 2 x 2, 3 x 3 and 6 x 6 bins beside the map itself, and a 3 x 3 convolution over all.

    Zhao et al. 2017, "Pyramid scene parsing network", arXiv 1612.01105, section 3.2. The pyramid is
    segmentation_models_pytorch's; deviations: the 3 x 3 convolution leads to `hidden` channels, and a 1 x 1
    convolution to C.

    Args:
        channels: C of the map, at least as many as there are sizes.
        hidden: channels of the 3 x 3 convolution.
        sizes: bins along each side, for every level of the pyramid.

    Raises:
        ValueError: a number below 1, fewer channels than sizes, or (called) a map of other channels.

    Example:
        >>> PyramidPooling(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, sizes: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        if not sizes or channels < len(sizes):
            raise ValueError(f"sizes={list(sizes)} must be at least one, and at most as many as channels={channels}")
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
        """Look at the means of regions of ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        return self.project(self.bottleneck(self.pyramid(x)))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 3 x 3 convolutions at several dilations, a 1 x 1 and a mean over the whole map.

    Chen et al. 2017, "Rethinking atrous convolution", arXiv 1706.05587, section 3.3; the module is
    segmentation_models_pytorch's. Deviations: no dropout, and no batch norm on the global mean, whose batch statistics
    do not exist for a batch of 1; a 1 x 1 convolution leads back to C channels.

    Args:
        channels: C of the map.
        hidden: channels of each branch.
        rates: three dilations; 12, 24 and 36 belong to a map at stride 8.

    Raises:
        ValueError: a number below 1, not three rates, or (called) a map of other channels.

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
        self.aspp.convs[-1][2] = nn.Identity()  # the norm of the global mean
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Look at several distances in ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        return self.project(self.aspp(x))


class StripPooling(nn.Module):
    """Means of whole rows and whole columns, each convolved along itself, as a gate on the map.

    Hou et al. 2020, "Strip pooling", arXiv 2003.13328, section 3.1::

        y = sigmoid(P ReLU(K_h * mean over each row + K_v * mean over each column)) * x

    Deviation: convolutions have biases instead of batch norms, whose statistics do not exist for a strip of one.

    Args:
        channels: C of the map.
        hidden: channels of the strips.

    Raises:
        ValueError: a number below 1, or (called) a map of other channels.

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
        """Look at the row and the column of each position of ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        rows = self.down(x.mean(dim=3)).unsqueeze(3)
        columns = self.along(x.mean(dim=2)).unsqueeze(2)
        return torch.sigmoid(self.gate(torch.relu(rows + columns))) * x
