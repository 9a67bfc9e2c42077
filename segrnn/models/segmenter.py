"""The network, readable as a diagram."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context import Residual
from segrnn.models.encoders import levels, levels_read
from segrnn.models.fcn import FCN
from segrnn.models.libraries import smp

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
        ValueError: the decoder reads no features at that stride.

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

        self.level = -1
        if context is not None:
            self.level, channels = self._find(stride)
            self.context = Residual(context(channels), channels)

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, 3, H, W)`` into logits ``(B, K, H, W)``."""
        height, width = image.shape[-2:]
        features = self.neck(self.encoder(pad(image, self.encoder.output_stride)))
        features[self.level] = self.context(features[self.level])
        logits = self.head(self.decoder(features))
        return logits[..., :height, :width]

    def _find(self, stride: int) -> tuple[int, int]:
        """The deepest map of that stride that the decoder reads: its index and its channels."""
        pyramid = getattr(self.neck, "levels", None) or levels(self.encoder)
        self.eval()  # the trial image is too small for batch statistics, and must not change them
        image = torch.zeros(1, 3, 64, 64, device=next(self.parameters()).device)
        read = levels_read(self.neck(self.encoder(image)), self.decoder)
        self.train()
        found = {pyramid[i].stride: (i, pyramid[i].channels) for i in read}
        if stride not in found:
            raise ValueError(f"no features at stride {stride} to put a context on; the decoder reads {sorted(found)}")
        return found[stride]


def pad(image: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until height and width are divisible: ``(B, C, H, W) -> (B, C, H', W')``."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
