"""What a network sees of an image: its coarse logits, and class by class what they say at the image's size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_PART_BYTES = 2**25
"""Of the values of a part: few enough for any machine, many enough to keep it busy."""

_FEWEST = 4
"""Classes of a part: torch interpolates three by another kernel, which rounds otherwise, as do all where a map is so
small that it comes in one part."""


class Part(NamedTuple):
    """Values of some classes on some rows of an image.

    Args:
        first_class: the class of the first plane.
        first_row: where in the image the planes begin.
        values: ``(k, h, W)``.
    """

    first_class: int
    first_row: int
    values: Tensor


@dataclass(frozen=True)
class View:
    """Logits that are never all there at the image's size, where those of 150 classes can take a gigabyte.

    They stay at the decoder's stride and are brought to the image's size by the same operations as in the whole, but
    for a few classes at a time: as each class is interpolated by itself, nothing changes in the last bit.

    Args:
        upsample: brings coarse logits, or those of some classes, to the size at which the network has seen the image.
        coarse: the network's coarse logits ``(1, K, h, w)``.
        seen: height and width at which it has seen the image.
        size: the image's own height and width.
        flipped: whether it has seen the image mirrored.
    """

    upsample: Callable[[Tensor, Sequence[int]], Tensor]
    coarse: Tensor
    seen: Sequence[int]
    size: Sequence[int]
    flipped: bool

    def parts(self) -> Iterator[Part]:
        """Logits of all classes at the image's size, some classes at a time."""
        classes = self.coarse.shape[1]
        count = min(self._parts_for(self.size), classes // _FEWEST)
        few = self._parts_for(self.seen) == 1
        source = self.upsample(self.coarse, self.seen) if few else self.coarse
        first = 0
        for planes in source.tensor_split(max(1, count), dim=1):
            logits = planes if few else self.upsample(planes, self.seen)
            if tuple(self.seen) != tuple(self.size):
                logits = F.interpolate(logits, self.size, mode="bilinear")
            yield Part(first, 0, logits[0].flip(-1) if self.flipped else logits[0])
            first += planes.shape[1]

    def _parts_for(self, size: Sequence[int]) -> int:
        return -(-4 * self.coarse.shape[1] * size[0] * size[1] // _PART_BYTES)

    @cached_property
    def log_sum(self) -> Tensor:
        """The logarithm of the sum of the exponentials over the classes, ``(H, W)``: softmax's denominator."""
        first, *others = (part.values.logsumexp(dim=0) for part in self.parts())
        for other in others:
            first = torch.logaddexp(first, other)
        return first


def average(views: Sequence[View]) -> Iterator[Part]:
    """Yield the mean over views of their probabilities, some classes at a time."""
    for parts in zip(*(view.parts() for view in views), strict=True):
        mean = torch.zeros_like(parts[0].values)
        for part, view in zip(parts, views, strict=True):
            mean += (part.values - view.log_sum).exp_()
        yield parts[0]._replace(values=mean.div_(len(views)).clamp_(max=1))


def winner(parts: Iterator[Part], size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The class with the greatest value at each pixel, the lower one of equals, and that value.

    Args:
        parts: that make up the whole image of that size.
        size: ``(H, W)``.

    Returns:
        Classes as uint8 and values as float32, ``(H, W)`` each.
    """
    best, mask = torch.empty(0), torch.empty(0)
    for part in parts:
        if not best.numel():
            best = part.values.new_full(tuple(size), -torch.inf)
            mask = torch.zeros_like(best, dtype=torch.uint8)
        values, classes = part.values.max(dim=0)
        rows = slice(part.first_row, part.first_row + len(values))
        better = values > best[rows]
        torch.where(better, values, best[rows], out=best[rows])
        mask[rows] = torch.where(better, (classes + part.first_class).to(torch.uint8), mask[rows])
    return mask, best
