"""A plain fully convolutional network: the least decoder that a context can be judged by."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.libraries import smp
from segrnn.models.encoders import Level, drop_unused, levels


class FCN(nn.Module):
    """Features from one stride down, brought to one width and summed, then a 3 x 3 convolution and a classifier.

    After Long, Shelhamer and Darrell 2015, arXiv 1411.4038. Deviations: skips are summed as features, not as scores,
    and upsampling is bilinear, not learned. The sum comes before the context (`Segmenter` puts it there), so that a
    sweep at a fine stride sees what the deep stages know.

    Args:
        encoder_name: any encoder of segmentation_models_pytorch (``tu-...`` for timm's).
        classes: K, the number of classes.
        encoder_depth: stages of the encoder; 3 stops at stride 8, 5 at stride 32. Deeper layers are dropped.
        width: channels of the sum.
        stride: the finest stride that takes part, and the one that the classifier works at.

    Shapes:
        ``(B, 3, H, W) -> (B, K, H, W)``, H and W divisible by the encoder's stride.

    Raises:
        ValueError: the encoder has no map at that stride.

    Example:
        >>> FCN("resnet18", classes=4, width=16)(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 4, 64, 96])
    """

    def __init__(
        self, encoder_name: str, classes: int, encoder_depth: int = 5, width: int = 128, stride: int = 8
    ) -> None:
        super().__init__()
        self.encoder = smp.encoders.get_encoder(encoder_name, depth=encoder_depth, weights=None)
        drop_unused(self.encoder)
        self.neck = Sum(levels(self.encoder), width, stride)
        self.decoder = Convolution(width)
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(width, classes, kernel_size=1), nn.Upsample(scale_factor=stride, mode="bilinear")
        )

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, 3, H, W)`` into logits ``(B, K, H, W)``."""
        return self.segmentation_head(self.decoder(self.neck(self.encoder(image))))


class Sum(nn.Module):
    """A feature pyramid, from one stride down, projected to one width and summed at that stride."""

    def __init__(self, pyramid: list[Level], width: int, stride: int) -> None:
        super().__init__()
        strides = [level.stride for level in pyramid]
        if stride not in strides:
            raise ValueError(f"the encoder has no features at stride {stride}; it has {sorted(set(strides))}")
        self.first = strides.index(stride)
        self.levels = [Level(width, stride)]
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(level.channels, width, kernel_size=1, bias=False), nn.BatchNorm2d(width))
            for level in pyramid[self.first :]
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Sum the pyramid; a list of one map ``(B, width, H/stride, W/stride)``."""
        size = features[self.first].shape[-2:]
        projected = [project(x) for project, x in zip(self.projections, features[self.first :], strict=True)]
        aligned = torch.stack([F.interpolate(x, size, mode="bilinear") for x in projected])
        return [F.relu(aligned.sum(dim=0))]


class Convolution(nn.Module):
    """The decoder: one 3 x 3 convolution on the last map of the pyramid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Refine the last map ``(B, width, h, w)``; same shape out."""
        return self.layers(features[-1])
