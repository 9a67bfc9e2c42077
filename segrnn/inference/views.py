"""Views of an image: a network's coarse logits for it, enlarged to the image's size a few classes at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_PART_BYTES = 2**25
"""The number of bytes in a part's values: small enough for any machine, large enough to keep it busy."""

_FEWEST = 4
"""The smallest number of classes in a part. torch interpolates three channels with another kernel, which rounds
differently. Rounding also differs on small maps, which are therefore enlarged in one part."""


class Part(NamedTuple):
    """Values of some classes on some rows of an image.

    Args:
        first_class: the class of the first plane.
        first_row: the row of the image at which the planes begin.
        values: the values of k classes on h rows, ``(k, h, W)``.
    """

    first_class: int
    first_row: int
    values: Tensor


@dataclass(frozen=True)
class View:
    """The logits of one image, enlarged to the image's size a few classes at a time.

    At that size, all logits of 150 classes can take a gigabyte. So they are kept at the decoder's stride, and the
    operations that would enlarge all of them are applied to a few classes at a time. The result is the same to the last
    bit, because each class is interpolated by itself.

    Args:
        upsample: a function that brings coarse logits of all or some classes to the size at which the network has seen
            the image.
        coarse: the network's coarse logits ``(1, K, h, w)``.
        seen: height and width at which the network has seen the image.
        size: the image's own height and width.
        flipped: whether the network has seen the image mirrored.
    """

    upsample: Callable[[Tensor, Sequence[int]], Tensor]
    coarse: Tensor
    seen: Sequence[int]
    size: Sequence[int]
    flipped: bool

    def parts(self) -> Iterator[Part]:
        """Yield logits of all classes at the image's size, some classes at a time."""
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
        """Return the logarithm of softmax's denominator, ``(H, W)``: the sum of the exponentials over the classes."""
        first, *others = (part.values.logsumexp(dim=0) for part in self.parts())
        for other in others:
            first = torch.logaddexp(first, other)
        return first


def average(views: Sequence[View]) -> Iterator[Part]:
    """Yield the mean of the views' probabilities, some classes at a time."""
    for parts in zip(*(view.parts() for view in views), strict=True):
        mean = torch.zeros_like(parts[0].values)
        for part, view in zip(parts, views, strict=True):
            mean += (part.values - view.log_sum).exp_()
        yield parts[0]._replace(values=mean.div_(len(views)).clamp_(max=1))


def average_networks(networks: Sequence[Iterator[Part]]) -> Iterator[Part]:
    """Yield the mean of several networks' probabilities. Where all networks agree, it is exactly their value.

    Args:
        networks: the parts of each network. All networks have the same classes, so their parts are cut alike.
    """
    for first, *others in zip(*networks, strict=True):
        mean = first.values
        for count, part in enumerate(others, start=2):
            mean += (part.values - mean) / count
        yield first._replace(values=mean)


def winner(parts: Iterator[Part], size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the class with the greatest value at each pixel, and that value. Of equal classes, the lowest is taken.

    Args:
        parts: the parts that together cover the whole image.
        size: the size ``(H, W)`` of the image.

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
