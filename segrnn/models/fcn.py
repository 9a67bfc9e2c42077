"""A plain fully convolutional network: its decoder is as small as possible, to judge contexts by."""

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context.arguments import positive
from segrnn.models.encoders import Level, levels, make_encoder


class FCN(nn.Module):
    """A network that sums an encoder's maps, then applies a 3 x 3 convolution and a classifier.

    The network follows Long, Shelhamer and Darrell 2015, arXiv 1411.4038, with these deviations: skips are summed as
    features, not as scores, and upsampling is bilinear, not learned. The sum comes before the context (`Segmenter` puts
    it there), so that a sweep at a fine stride also gets the features of the deep stages. With `detail`, a finer map is
    added behind the context: small things keep their borders, and sweeps still work on the coarser, cheaper map.

    Args:
        encoder_name: any encoder of segmentation_models_pytorch (``tu-...`` for timm's).
        classes: K, the number of classes.
        encoder_depth: the number of the encoder's stages. 3 stops at stride 8, 5 at stride 32. Deeper layers are
            dropped.
        width: the number of channels of the sum.
        stride: the stride of the finest map that is summed, and of the classifier.
        detail: the stride of a finer map, which is added to the sum behind the context. The classifier works there.
        maps: the number of the encoder's maps that are summed, counted from the deepest. The default is all maps from
            `stride` down. 1 takes the deepest map only, as networks on a dilated encoder do (PSPNet, DeepLabV3).
        output_stride: the stride of the encoder's coarsest map. 8 or 16 dilates the encoder.
        dropout: the share of channels that are dropped before the classifier, in training.
        in_channels: C, the number of channels of an image.

    Shapes:
        ``(B, C, H, W) -> (B, K, H, W)``, H and W divisible by the encoder's stride.

    Raises:
        ValueError: the encoder has no map at one of the strides, has fewer maps than `maps`, or can't be dilated; or
            `detail` is not finer than `stride`.

    Example:
        >>> FCN("resnet18", classes=4, width=16)(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 4, 64, 96])
    """

    def __init__(
        self,
        encoder_name: str,
        classes: int,
        encoder_depth: int = 5,
        width: int = 128,
        stride: int = 8,
        maps: int | None = None,
        output_stride: int = 32,
        dropout: float = 0.0,
        in_channels: int = 3,
        detail: int | None = None,
    ) -> None:
        super().__init__()
        if detail is not None and detail >= stride:
            raise ValueError(f"detail={detail} must be finer than stride={stride}, the stride of the sum")
        finest = detail or stride
        self.encoder = make_encoder(encoder_name, encoder_depth, output_stride, in_channels, finest)
        self.neck = Sum(levels(self.encoder), width, stride, maps, detail)
        self.decoder = Convolution(width, dropout, maps=len(self.neck.levels))
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(width, classes, kernel_size=1), nn.Upsample(scale_factor=finest, mode="bilinear")
        )

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, C, H, W)`` into logits ``(B, K, H, W)``."""
        return self.segmentation_head(self.decoder(self.neck(self.encoder(image))))


class Sum(nn.Module):
    """The sum of a pyramid's deeper maps. Each is projected to one width and resized to the stride of the sum.

    With `detail`, a finer map of the same width, which is not part of the sum, comes before it.
    """

    def __init__(
        self, pyramid: list[Level], width: int, stride: int, maps: int | None = None, detail: int | None = None
    ) -> None:
        super().__init__()
        strides = [level.stride if level.channels else 0 for level in pyramid]
        for wanted in (stride, detail or stride):
            if wanted not in strides:
                raise ValueError(f"the encoder has no features at stride {wanted}; it has {sorted(set(strides) - {0})}")
        self.finest = strides.index(stride)
        available = len(pyramid) - self.finest
        self.maps = available if maps is None else positive("maps", maps)
        if self.maps > available:
            raise ValueError(
                f"maps={maps} is more than the encoder has: it has {available} maps from stride {stride} down"
            )
        self.projections = nn.ModuleList(_projection(level.channels, width) for level in pyramid[-self.maps :])
        finer = [] if detail is None else [strides.index(detail)]
        self.details = nn.ModuleDict({str(level): _projection(pyramid[level].channels, width) for level in finer})
        self.levels = [Level(width, pyramid[level].stride) for level in (*finer, self.finest)]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Sum the maps into ``(B, width, H/stride, W/stride)``, the last of a list of one or two maps."""
        size = features[self.finest].shape[-2:]
        projected = [project(x) for project, x in zip(self.projections, features[-self.maps :], strict=True)]
        aligned = (
            x if level == self.finest else F.interpolate(x, size, mode="bilinear")
            for level, x in enumerate(projected, start=len(features) - self.maps)
        )
        summed = F.relu(reduce(torch.add, aligned))  # a stack would lose the channels_last layout of the maps
        return [*(project(features[int(level)]) for level, project in self.details.items()), summed]


def _projection(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, kernel_size=1, bias=False), nn.BatchNorm2d(width))


class Convolution(nn.Module):
    """The decoder: one 3 x 3 convolution on the last map of a pyramid, or on the sum of its last maps of one width."""

    def __init__(self, width: int, dropout: float = 0.0, maps: int = 1) -> None:
        super().__init__()
        self.maps = maps
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout2d(dropout),
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Refine the last maps, ``(B, width, h, w)`` each, into one of the size of the finest of them."""
        *finer, x = features[-self.maps :]
        for detail in finer:
            x = F.relu(detail + F.interpolate(x, detail.shape[-2:], mode="bilinear"))
        return self.layers(x)
