"""The network, readable as a diagram."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.libraries import smp
from segrnn.models.fcn import FCN
from segrnn.models.reseg import ReSeg

if TYPE_CHECKING:
    from segrnn.models.auxiliary import Auxiliary

Network: TypeAlias = smp.base.SegmentationModel | FCN | ReSeg


class Segmenter(nn.Module):
    """image -> encoder -> (neck) -> context -> decoder -> head -> logits, for images of any size.

    `segrnn.models.add_context` makes one with a context.

    Args:
        network: a model of segmentation_models_pytorch, `FCN` or `ReSeg`; trained or not. Its parts are used, not
            copied; a classification head is left out.
        contexts: for a map of the pyramid, by its index, the module that it goes through.

    Attributes:
        auxiliary: None, or an `Auxiliary` to train with, which is set from outside.

    Shapes:
        ``(B, 3, H, W) -> (B, K, H, W)`` for any H and W of at least 1: the image is padded inside by repeating its
        border, and the logits are cropped back.

    Example:
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16))
        >>> model(torch.zeros(2, 3, 45, 61)).shape
        torch.Size([2, 4, 45, 61])
    """

    def __init__(self, network: Network, contexts: Mapping[int, nn.Module] | None = None) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.neck = getattr(network, "neck", nn.Identity())  # models of SMP have none
        self.context = nn.ModuleDict({str(level): context for level, context in (contexts or {}).items()})
        self.decoder = network.decoder
        self.head = network.segmentation_head
        self.auxiliary: Auxiliary | None = None

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, 3, H, W)`` into logits ``(B, K, H, W)``."""
        features = self.encoder(pad(image, self.encoder.output_stride))
        return crop_like(image, self._paint(features))

    def forward_with_auxiliary(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same logits and, for training, those of the auxiliary head, where there is one; ``(B, K, H, W)`` each."""
        features = self.encoder(pad(image, self.encoder.output_stride))
        auxiliary = None if self.auxiliary is None else crop_like(image, self.auxiliary(features))
        return crop_like(image, self._paint(features)), auxiliary

    def _paint(self, features: list[Tensor]) -> Tensor:
        """(neck) -> context -> decoder -> head: from the encoder's maps to logits at the padded size."""
        maps = list(self.neck(features))
        for level, context in self.context.items():
            maps[int(level)] = context(maps[int(level)])
        return self.head(self.decoder(maps))


def pad(image: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until height and width are divisible: ``(B, C, H, W) -> (B, C, H', W')``."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def crop_like(image: Tensor, logits: Tensor) -> Tensor:
    """Cut off what the image was padded by: ``(B, K, H', W') -> (B, K, H, W)``."""
    height, width = image.shape[-2:]
    return logits[..., :height, :width]
