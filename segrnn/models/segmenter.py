"""The network, readable as a diagram."""

from collections.abc import Callable

import segmentation_models_pytorch as smp
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context import Residual
from segrnn.models.encoders import levels
from segrnn.models.fcn import FCN

ContextFactory = Callable[[int], nn.Module]


class Segmenter(nn.Module):
    """image -> encoder -> (neck) -> context -> decoder -> head -> logits, for images of any size.

    Args:
        network: a model of segmentation_models_pytorch, or `FCN`; trained or not. Its parts are used, not copied.
        context: makes the context module from the number of channels, e.g. ``segrnn.context.ReNet`` or a
            `functools.partial` of it. None leaves the network as it is.
        stride: the map the context works on. Where several maps have that stride (a dilated encoder), the deepest.

    Shapes:
        ``(B, 3, H, W) -> (B, K, H, W)`` for any H and W of at least 1: the image is padded inside by repeating its
        border, and the logits are cropped back.

    Raises:
        ValueError: the network has no features at that stride.

    Example:
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16), context=ReNet, stride=8)
        >>> model(torch.zeros(2, 3, 45, 61)).shape
        torch.Size([2, 4, 45, 61])
    """

    def __init__(
        self, network: smp.base.SegmentationModel | FCN, context: ContextFactory | None = None, stride: int = 8
    ) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.neck = getattr(network, "neck", nn.Identity())  # models of SMP have none
        self.context: nn.Module = nn.Identity()
        self.decoder = network.decoder
        self.head = network.segmentation_head

        pyramid = getattr(self.neck, "levels", None) or levels(self.encoder)
        self.level = len(pyramid) - 1
        if context is not None:
            strides = [level.stride for level in pyramid]
            usable = sorted({level.stride for level in pyramid if level.stride > 1 and level.channels})
            if stride not in usable:
                raise ValueError(f"no features at stride {stride} to put a context on; the network has {usable}")
            self.level = max(i for i, s in enumerate(strides) if s == stride)
            channels = pyramid[self.level].channels
            self.context = Residual(context(channels), channels)

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, 3, H, W)`` into logits ``(B, K, H, W)``."""
        height, width = image.shape[-2:]
        features = self.neck(self.encoder(pad(image, self.encoder.output_stride)))
        features[self.level] = self.context(features[self.level])
        logits = self.head(self.decoder(features))
        return logits[..., :height, :width]


def pad(image: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until height and width are divisible: ``(B, C, H, W) -> (B, C, H', W')``."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
