"""Examples of a network's masks, collected while it is scored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from segrnn.datasets import Sample
from segrnn.images.bands import as_photo
from segrnn.labels.space import ByteArray


@dataclass(frozen=True)
class Example:
    """An image ``(h, w, 3)`` with its masks of train ids ``(h, w)``, all uint8 and scaled down to save memory.

    Args:
        name: the name of the sample.
        image: the picture.
        truth: the picture's label.
        prediction: the network's mask.
        miou: the mIoU of this image alone, at its label's own size; NaN if all of the label is void.
    """

    name: str
    image: ByteArray
    truth: ByteArray
    prediction: ByteArray
    miou: float

    @classmethod
    def of(cls, sample: Sample, prediction: ByteArray, miou: float, longest: int) -> "Example":
        """Make an example from a sample and its predicted mask ``(H, W)``.

        If a side is longer than `longest`, image and masks are scaled down. Masks take the nearest pixel.
        """
        height, width = prediction.shape
        scale = min(1, longest / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = Image.fromarray(as_photo(sample.image)).resize(size, Image.Resampling.BOX, reducing_gap=2)
        truth, mask = (_nearest(each, size) for each in (sample.mask, prediction))
        return cls(sample.name, np.asarray(image), truth, mask, miou)

    def shrunk(self, longest: int) -> "Example":
        """Return the example scaled down, if a side is longer than `longest`."""
        return Example.of(Sample(self.image, self.truth, self.name), self.prediction, self.miou, longest)

    @property
    def title(self) -> str:
        """Return the name and the mIoU of the mask."""
        return f"{self.name}, " + ("all void" if np.isnan(self.miou) else f"mIoU {100 * self.miou:.1f} %")


class Gallery:
    """Collects examples of one pass over a dataset: the chosen images, the worst ones and the best ones.

    Args:
        names: the names of the chosen images, in the order in which they are shown.
        extremes: how many of the worst images to keep, and how many of the best, by the mIoU of each image.
        longest: the longest side of an example, in pixels.

    Example:
        >>> gallery = Gallery(["b"], extremes=1, longest=8)
        >>> for name, miou in {"a": 0.3, "b": 0.5, "c": 0.9}.items():
        ...     if gallery.wants(name, miou):
        ...         sample = Sample(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.uint8), name)
        ...         gallery.add(sample, sample.mask, miou)
        >>> [[example.name for example in part] for part in (gallery.chosen, gallery.worst, gallery.best)]
        [['b'], ['a'], ['c']]
    """

    def __init__(self, names: Sequence[str], extremes: int, longest: int) -> None:
        self.names, self.extremes, self.longest = tuple(names), extremes, longest
        self._examples: dict[str, Example] = {}

    def wants(self, name: str, miou: float) -> bool:
        """Return whether an image is a chosen one, or among the worst or the best so far."""
        return name in self.names or (miou, name) in self._extremes([*self._ranks(), (miou, name)])

    def add(self, sample: Sample, prediction: ByteArray, miou: float) -> None:
        """Keep an image, and drop images that are no longer among the extremes.

        Args:
            sample: the image and its label.
            prediction: the network's mask, ``(H, W)``.
            miou: the mIoU of this image alone.
        """
        self._examples[sample.name] = Example.of(sample, prediction, miou, self.longest)
        self._drop()

    def merge(self, others: Iterable["Gallery"]) -> None:
        """Add the examples that other processes have collected in the same pass."""
        for other in others:
            self._examples |= other._examples
        self._drop()

    @property
    def chosen(self) -> list[Example]:
        """Return the chosen images that were in the pass so far."""
        return [self._examples[name] for name in self.names if name in self._examples]

    @property
    def worst(self) -> list[Example]:
        """Return the images with the lowest mIoU, lowest first."""
        return [self._examples[name] for _, name in sorted(self._ranks())[: self.extremes]]

    @property
    def best(self) -> list[Example]:
        """Return the images with the highest mIoU, highest first."""
        return [self._examples[name] for _, name in sorted(self._ranks(), reverse=True)[: self.extremes]]

    def _ranks(self) -> list[tuple[float, str]]:
        return [(example.miou, name) for name, example in self._examples.items() if not np.isnan(example.miou)]

    def _extremes(self, ranks: list[tuple[float, str]]) -> list[tuple[float, str]]:
        ordered = sorted(ranks)
        return [*ordered[: self.extremes], *ordered[max(0, len(ordered) - self.extremes) :]]

    def _drop(self) -> None:
        kept = {name for _, name in self._extremes(self._ranks())}.union(self.names)
        self._examples = {name: example for name, example in self._examples.items() if name in kept}


def spread(names: Sequence[str], count: int) -> list[str]:
    """Return up to `count` of the names, evenly spread from the first to the last.

    Example:
        >>> spread("abcdefg", 3)
        ['a', 'd', 'g']
    """
    places = np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int))
    return [names[place] for place in places]


def _nearest(mask: ByteArray, size: tuple[int, int]) -> ByteArray:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
