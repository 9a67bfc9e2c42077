"""BLLA, kraken's network for the layout of pages: a ReNet in production."""

import torch
from torch import Tensor, nn

from segrnn.context import Sweep
from segrnn.context.arguments import positive
from segrnn.models.encoders import Level


class BLLA(nn.Module):
    """Five convolutions to stride 4, then four LSTM sweeps with a 1 x 1 convolution in their middle.

    This is the network with which kraken finds baselines and regions on pages (https://github.com/mittagessen/kraken,
    Apache-2.0, ``kraken/configs/vgsl.py``). In kraken's notation it is ``Cr7,7,64,2,2 Gn32 Cr3,3,128,2,2 Gn32
    Cr3,3,128 Gn32 Cr3,3,256 Gn32 Cr3,3,256 Gn32 Lbx32 Lby32 Cr1,1,32 Gn32 Lby32 Lbx32``. There, C is a convolution with
    ReLU, Gn is a group norm, and Lb is an LSTM in both directions along the rows (x) or the columns (y). The sweeps are
    the only path from the convolutions to the classifier, not a residual branch.

    ``python -m segrnn.prepare import_kraken`` reads kraken's trained weights. On the same pixels, this network then
    computes the same logits.

    Differences from kraken: classes exclude each other here, so a softmax takes the place of a sigmoid for each class.
    Recurrent weights start as `Sweep` starts them.

    Args:
        classes: K, the number of classes.
        width: the number of channels of the first convolution. The others have two and four times as many.
        hidden: the number of units of each direction of a sweep, and the channels of the 1 x 1 convolution.
        groups: the number of groups of each group norm. It divides `width` and `hidden`.
        in_channels: C, the number of channels of an image.

    Shapes:
        ``(B, C, H, W) -> (B, K, H', W')``, H and W rounded up to multiples of 4; `Segmenter` cuts them to H and W.

    Raises:
        ValueError: a number is below 1, or `groups` does not divide `width` or `hidden`.

    Example:
        >>> BLLA(classes=5)(torch.zeros(1, 3, 45, 61)).shape
        torch.Size([1, 5, 48, 64])
    """

    def __init__(self, classes: int, width: int = 64, hidden: int = 32, groups: int = 32, in_channels: int = 3) -> None:
        super().__init__()
        for name, channels in {"width": width, "hidden": hidden}.items():
            if positive(name, channels) % positive("groups", groups):
                raise ValueError(f"{name} must be a multiple of groups={groups}, got {channels}")
        self.encoder = _Convolutions(positive("in_channels", in_channels), width, groups)
        self.neck = _Sweeps(4 * width, hidden, groups)
        self.decoder = _Last()
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(2 * hidden, positive("classes", classes), kernel_size=1),
            nn.Upsample(scale_factor=4, mode="nearest"),  # as kraken does
        )

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, C, H, W)`` into logits ``(B, K, H', W')``."""
        return self.segmentation_head(self.decoder(self.neck(self.encoder(image))))


class _Convolutions(nn.Module):
    """The encoder: the inverted image and the maps of five convolutions, at strides 1, 2, 4, 4, 4 and 4.

    Each value of an image is subtracted from the largest one in that image, as kraken does. So white paper is 0, and
    the zeros around the image look like paper.
    """

    output_stride = 4
    multiple = 1
    """The sides of an image must be divisible by it. Any side fits, because a convolution with a stride rounds up."""

    def __init__(self, in_channels: int, width: int, groups: int) -> None:
        super().__init__()
        self._in_channels = in_channels  # as the encoders of segmentation_models_pytorch state it
        self.out_channels = (in_channels, width, 2 * width, 2 * width, 4 * width, 4 * width)
        self.layers = nn.ModuleList(
            _convolution(channels, filters, kernel, stride, groups)
            for channels, filters, kernel, stride in zip(
                self.out_channels, self.out_channels[1:], (7, 3, 3, 3, 3), (2, 2, 1, 1, 1), strict=False
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [image.amax(dim=(1, 2, 3), keepdim=True) - image]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return maps


class _Sweeps(nn.Module):
    """Rows, columns, a narrow convolution, columns and rows."""

    def __init__(self, channels: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Sweep(channels, hidden, axis=3, cell="lstm"),
            Sweep(2 * hidden, hidden, axis=2, cell="lstm"),
            _convolution(2 * hidden, hidden, kernel=1, stride=1, groups=groups),
            Sweep(hidden, hidden, axis=2, cell="lstm"),
            Sweep(2 * hidden, hidden, axis=3, cell="lstm"),
        )
        self.levels = [Level(2 * hidden, stride=4)]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [self.layers(features[-1])]


class _Last(nn.Module):
    """The decoder. It has no layers, because the sweeps have decoded already."""

    def forward(self, features: list[Tensor]) -> Tensor:
        return features[-1]


def _convolution(channels: int, filters: int, kernel: int, stride: int, groups: int) -> nn.Sequential:
    """Make a convolution with ReLU and a group norm. Both ends of an axis are padded by the same number of zeros."""
    convolution = nn.Conv2d(channels, filters, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(), _GroupNorm(groups, filters))


class _GroupNorm(nn.GroupNorm):
    """A group norm that also takes maps of one position. torch's module refuses them if a group is a single channel."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
