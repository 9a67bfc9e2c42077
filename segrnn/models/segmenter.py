"""The segmentation network, written so that the code reads like a diagram of it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.models.auxiliary import Auxiliary
from segrnn.models.blla import BLLA
from segrnn.models.fcn import FCN
from segrnn.models.reseg import ReSeg

Network: TypeAlias = smp.base.SegmentationModel | BLLA | FCN | ReSeg


class Segmenter(nn.Module):
    """A segmentation network for images of any size.

    Its parts follow each other in this order: image -> encoder -> (neck) -> context -> decoder -> head -> upsampling
    -> logits. `segrnn.models.add_context` makes a segmenter with a context.

    Args:
        network: a model of segmentation_models_pytorch, `BLLA`, `FCN` or `ReSeg`; trained or not. Its parts are used,
            not copied. A classification head is left out.
        contexts: the context modules, each under the index of the map that goes through it.

    Attributes:
        auxiliary: None, or an `Auxiliary` to train with. It is set from outside.

    Raises:
        ValueError: the network ends in an activation, not in logits.

    Shapes:
        ``(B, C, H, W) -> (B, K, H, W)`` for any H and W of at least 1: if the encoder needs it, the image is
        padded inside by repeating its border. The logits are cropped back.

    Example:
        >>> model = Segmenter(FCN("resnet18", classes=4, width=16))
        >>> model(torch.zeros(2, 3, 45, 61)).shape
        torch.Size([2, 4, 45, 61])
    """

    def __init__(self, network: Network, contexts: Mapping[int, nn.Module] | None = None) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.neck = getattr(network, "neck", nn.Identity())  # models of SMP have no neck
        self.context = nn.ModuleDict({str(level): context for level, context in (contexts or {}).items()})
        self.decoder = network.decoder
        self.head, self.upsampling = _split(network.segmentation_head)
        self.auxiliary: Auxiliary | None = None
        # PAN halves its coarsest map three times
        self.least = 8 * network.encoder.output_stride if isinstance(network, smp.PAN) else 1

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, C, H, W)`` into logits ``(B, K, H, W)``."""
        return self.upsample(self.coarse_logits(image), image.shape[-2:])

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Compute the head's logits ``(B, K, h, w)`` for images ``(B, C, H, W)``, at the decoder's stride."""
        return self._paint(self._encode(image))

    def upsample(self, coarse: Tensor, size: Sequence[int]) -> Tensor:
        """Bring coarse logits ``(B, K, h, w)`` of all or some classes to the size ``(H, W)`` of their image."""
        height, width = size
        return self.upsampling(coarse)[..., :height, :width]  # cut off the padding of the image

    def forward_with_auxiliary(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute the network's logits and those of the auxiliary head, ``(B, K, H, W)`` each, for training.

        Without an auxiliary head, the second value is None.
        """
        features = self._encode(image)
        height, width = image.shape[-2:]
        auxiliary = None if self.auxiliary is None else self.auxiliary(features)[..., :height, :width]
        # gradients of maps with few channels are faster in the contiguous layout
        coarse = self._paint(features).contiguous()
        return self.upsample(coarse, (height, width)), auxiliary

    def _encode(self, image: Tensor) -> list[Tensor]:
        # an encoder that rounds up by itself takes any size, and padding would change what it sees at the border
        return self.encoder(pad(image, getattr(self.encoder, "multiple", self.encoder.output_stride), self.least))

    def _paint(self, features: list[Tensor]) -> Tensor:
        """Send features through the neck, the context, the decoder and the head."""
        maps = list(self.neck(features))
        for level, context in self.context.items():
            maps[int(level)] = context(maps[int(level)])
        return self.head(self.decoder(maps))


def pad(image: Tensor, multiple: int, least: int = 1) -> Tensor:
    """Repeat the right and lower border until `multiple` divides both sides: ``(B, C, H, W) -> (B, C, H', W')``.

    Both sides become at least as long as `least`, which is a multiple, too.
    """
    sides: list[Any] = [(side + multiple - 1) // multiple * multiple for side in image.shape[-2:]]
    if least > multiple:
        sides = [torch.sym_max(side, least) for side in sides]  # max would fix the size in an exported graph
    rows, columns = (new - old for new, old in zip(sides, image.shape[-2:], strict=True))
    return F.pad(image, (0, columns, 0, rows), mode="replicate")


def _split(head: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Split a head into the layers that classify and the layer that only enlarges. Their tensors keep their names."""
    if not isinstance(head, nn.Sequential):
        return head, nn.Identity()
    classifier, upsampling, *rest = head
    for layer in rest:  # models of SMP end in an activation; it is the identity by default
        if not isinstance(getattr(layer, "activation", layer), nn.Identity):
            raise ValueError(f"the network ends with {layer}, but it must return logits: build it with activation=None")
    return nn.Sequential(classifier), upsampling
