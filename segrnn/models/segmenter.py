"""The network, readable as a diagram."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.models.auxiliary import Auxiliary
from segrnn.models.fcn import FCN
from segrnn.models.reseg import ReSeg

Network: TypeAlias = smp.base.SegmentationModel | FCN | ReSeg


class Segmenter(nn.Module):
    """image -> encoder -> (neck) -> context -> decoder -> head -> upsampling -> logits, for images of any size.

    `segrnn.models.add_context` makes one with a context.

    Args:
        network: a model of segmentation_models_pytorch, `FCN` or `ReSeg`; trained or not. Its parts are used, not
            copied; a classification head is left out.
        contexts: for a map of the pyramid, by its index, the module that it goes through.

    Attributes:
        auxiliary: None, or an `Auxiliary` to train with, which is set from outside.

    Raises:
        ValueError: the network ends in an activation, where logits are wanted.

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
        self.head, self.upsampling = _split(network.segmentation_head)
        self.auxiliary: Auxiliary | None = None

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, 3, H, W)`` into logits ``(B, K, H, W)``."""
        return self.upsample(self.coarse_logits(image), image.shape[-2:])

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Logits of ``(B, 3, H, W)`` as the head makes them: ``(B, K, h, w)`` at the decoder's stride."""
        return self._paint(self._encode(image))

    def upsample(self, coarse: Tensor, size: Sequence[int]) -> Tensor:
        """Bring coarse logits, all of them or those of some classes, to the size ``(H, W)`` of their image."""
        height, width = size
        return self.upsampling(coarse)[..., :height, :width]  # without what the image was padded by

    def forward_with_auxiliary(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same logits and, for training, those of the auxiliary head, where there is one; ``(B, K, H, W)`` each."""
        features = self._encode(image)
        height, width = image.shape[-2:]
        auxiliary = None if self.auxiliary is None else self.auxiliary(features)[..., :height, :width]
        coarse = self._paint(features).contiguous()  # gradients of so few channels are faster one channel at a time
        return self.upsample(coarse, (height, width)), auxiliary

    def _encode(self, image: Tensor) -> list[Tensor]:
        return self.encoder(pad(image, self.encoder.output_stride))

    def _paint(self, features: list[Tensor]) -> Tensor:
        """(neck) -> context -> decoder -> head."""
        maps = list(self.neck(features))
        for level, context in self.context.items():
            maps[int(level)] = context(maps[int(level)])
        return self.head(self.decoder(maps))


def pad(image: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until height and width are divisible: ``(B, C, H, W) -> (B, C, H', W')``."""
    rows, columns = ((side + multiple - 1) // multiple * multiple - side for side in image.shape[-2:])
    return F.pad(image, (0, columns, 0, rows), mode="replicate")


def _split(head: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The layers that classify, and those that only enlarge; the names of the former's tensors stay as they were."""
    if not isinstance(head, nn.Sequential):
        return head, nn.Identity()
    classifier, upsampling, *rest = head
    for layer in rest:  # models of SMP have an activation, which is the identity unless one was asked for
        if not isinstance(getattr(layer, "activation", layer), nn.Identity):
            raise ValueError(f"the network ends in {layer}, where logits are wanted: make it with activation=None")
    return nn.Sequential(classifier), upsampling
