"""Variants of pages, in which zones stand that the pages do not have: what a zone is follows from its place alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from segrnn.datasets import Sample
from segrnn.images import as_photo
from segrnn.labels.space import ByteArray

FloatArray = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

_SMALLEST = 2e-4
"""The share of the page that a zone needs to be copied. Smaller ones are slips of the pen."""

_LEAST_BODY = 0.02
"""The share of the page that its body needs. Pages with less have no layout."""

_TRIES = 6
"""How many zones are tried for a class, until one has a place on the page."""

_SIZES, _GAPS = (0.85, 1.15), (0.4, 1.3)
"""The ranges of the random factors of a zone's size, and of the gap between it and the body."""

_LIGHT = 85
"""The percentile of brightness that is paper, where there is writing."""


class Box(NamedTuple):
    """The body of a page: the rows and columns between which its text stands."""

    top: float
    bottom: float
    left: float
    right: float

    @property
    def width(self) -> float:
        """The length of a line of text, in pixels. It is the unit of lengths on a page."""
        return self.right - self.left


class Patch(NamedTuple):
    """A piece of print.

    Args:
        ink: the share of the paper's light that is left, ``(h, w, 3)`` from 0 to 1.
        shape: the pixels that belong to the zone, ``(h, w)``.
    """

    ink: FloatArray
    shape: Bits

    def scaled(self, factor: float) -> "Patch":
        """Return the patch in another size, with at least three pixels on each side."""
        height, width = (max(3, round(factor * side)) for side in self.shape.shape)
        ink = Image.fromarray(np.uint8(255 * self.ink)).resize((width, height), Image.Resampling.BILINEAR)
        shape = Image.fromarray(self.shape).resize((width, height), Image.Resampling.NEAREST)
        return Patch(np.asarray(ink) / 255, np.asarray(shape))


@dataclass(frozen=True)
class Zone:
    """A zone of a page, and its place relative to the body of that page.

    Args:
        label: the train id.
        patch: its print.
        box: its rows and columns.
        body: the body of its page.
    """

    label: int
    patch: Patch
    box: Box
    body: Box

    def place(self, body: Box, height: int, factor: float, stretch: float) -> tuple[float, float]:
        """Return the top row and the centre column that the zone has on a page with another body.

        Args:
            body: the other body.
            height: the height of the patch there.
            factor: the size of the patch there, relative to its own.
            stretch: the factor for the gap between body and zone.
        """
        middle = (self.box.top + self.box.bottom) / 2
        centre = (self.box.left + self.box.right) / 2
        column = body.left + (centre - self.body.left) / self.body.width * body.width
        if middle < self.body.top:
            return body.top - stretch * factor * max(0.0, self.body.top - self.box.bottom) - height, column
        if middle > self.body.bottom:
            return body.bottom + stretch * factor * max(0.0, self.box.top - self.body.bottom), column
        share = (middle - self.body.top) / (self.body.bottom - self.body.top)
        return body.top + share * (body.bottom - body.top) - height / 2, column


def find_body(mask: ByteArray, label: int) -> Box | None:
    """Return the body of a page, or None if there is little of it. Single pixels far away do not count.

    Args:
        mask: the train ids ``(H, W)``.
        label: the train id of the body.

    Example:
        >>> mask = np.zeros((200, 100), np.uint8)
        >>> mask[50:150, 20:80] = 1
        >>> find_body(mask, 1)
        Box(top=50.0, bottom=149.0, left=20.0, right=79.0)
    """
    rows, columns = np.nonzero(mask == label)
    if rows.size < _LEAST_BODY * mask.size:
        return None
    return Box(*np.percentile(rows, (0.5, 99.5)), *np.percentile(columns, (1, 99)))


def find_zones(sample: Sample, body: int, labels: Sequence[int]) -> list[Zone]:
    """Return the zones of some classes on a page.

    Args:
        sample: the page.
        body: the train id of the body.
        labels: the train ids of the zones.
    """
    frame = find_body(sample.mask, body)
    if frame is None:
        return []
    zones = []
    for label in labels:
        parts, _ = ndimage.label(sample.mask == label)
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), start=1):
            shape = parts[rows, columns] == number
            if shape.sum() >= _SMALLEST * sample.mask.size:
                box = Box(rows.start, rows.stop, columns.start, columns.stop)
                ink = _ink(as_photo(sample.image[rows, columns]))
                zones.append(Zone(label, Patch(ink, shape), box, frame))
    return zones


@dataclass(frozen=True)
class Paster:
    """Pastes zones on pages that have no zone of their class.

    A zone stands where a zone of that class stands on another page, relative to the body. Its print is that of the
    other page, or a piece of a line of the page's own body. So a network can't tell the zone by its print, and it
    learns the place. A zone is pasted only on bare paper that has the class of the background.

    The idea is that of "Simple Copy-Paste" (Ghiasi et al. 2021, arXiv 2012.07177). Deviations: a zone keeps its place
    relative to the body, its paper stays behind, and its print may be the page's own.

    Args:
        zones: the zones that may be pasted.
        body: the train id of the body.
        background: the train id of the background.
        chance: the probability with which a missing class is pasted.
        own_print: the probability with which a zone of one line gets the print of the page's own body.
    """

    zones: Sequence[Zone]
    body: int
    background: int
    chance: float = 0.7
    own_print: float = 0.6

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample | None:
        """Return a variant of a page, or None if no zone was pasted.

        Args:
            sample: the page, an image ``(H, W, 3)`` of 8 bits.
            rng: the source of all chance.
        """
        body = find_body(sample.mask, self.body)
        if body is None:
            return None
        page = _Page(sample, body, self.background)
        present = set(np.unique(sample.mask).tolist())
        missing = [label for label in dict.fromkeys(zone.label for zone in self.zones) if label not in present]
        pasted = [self._paste(label, page, rng) for label in missing if rng.random() < self.chance]
        return Sample(page.image, page.mask, sample.name) if any(pasted) else None

    def _paste(self, label: int, page: "_Page", rng: np.random.Generator) -> bool:
        """Paste a zone of a class, if one of several has a place. Return whether one has."""
        zones = [zone for zone in self.zones if zone.label == label]
        for _ in range(_TRIES):
            zone = zones[rng.integers(len(zones))]
            factor = rng.uniform(*_SIZES) * min(max(page.body.width / zone.body.width, 0.6), 1.5)
            patch = zone.patch.scaled(factor)
            if rng.random() < self.own_print:
                patch = page.own_print(patch.shape.shape, rng) or patch
            height, width = patch.shape.shape
            top, centre = zone.place(page.body, height, factor, rng.uniform(*_GAPS))
            if page.put(patch, label, round(top), round(centre - width / 2)):
                return True
        return False


class _Page:
    """A page on which zones are pasted.

    Args:
        sample: the page.
        body: its body.
        background: the train id of bare paper.
    """

    def __init__(self, sample: Sample, body: Box, background: int) -> None:
        self.image, self.mask = as_photo(sample.image).copy(), sample.mask.copy()
        self.body, self._background = body, background
        self._text = as_photo(sample.image)[:, int(body.left) : int(body.right)]
        self._lines = list(_find_lines(self._text, body))
        self._paper = np.percentile(sample.image.mean(axis=2), 70)

    def own_print(self, size: tuple[int, ...], rng: np.random.Generator) -> Patch | None:
        """Return a piece of a line of text, or None if the size ``(h, w)`` is not that of a piece of a line."""
        if not self._lines:
            return None
        line = self._lines[rng.integers(len(self._lines))]
        room = self._text.shape[1] - size[1]
        if size[0] > 2 * (line.stop - line.start) or room < 0:
            return None
        left = rng.integers(room + 1)
        piece = self._text[line, left : left + size[1]]
        return Patch(_ink(piece), np.ones(piece.shape[:2], bool)).scaled(rng.uniform(*_SIZES))

    def put(self, patch: Patch, label: int, top: int, left: int) -> bool:
        """Print a patch and write its class, if there is bare paper. Return whether there is."""
        height, width = patch.shape.shape
        if top < 1 or left < 1 or top + height >= self.mask.shape[0] or left + width >= self.mask.shape[1]:
            return False
        around = self.mask[top - 1 : top + height + 1, left - 1 : left + width + 1]
        paper = self.image[top : top + height, left : left + width]
        if (around != self._background).any() or np.percentile(paper.mean(axis=2), 10) < 0.75 * self._paper:
            return False
        paper[patch.shape] = (paper * patch.ink)[patch.shape]
        self.mask[top : top + height, left : left + width][patch.shape] = label
        return True


def _ink(pixels: ByteArray) -> FloatArray:
    """Return the share of the paper's light that each pixel ``(h, w, 3)`` leaves."""
    paper = np.percentile(pixels.reshape(-1, pixels.shape[2]), _LIGHT, axis=0)
    return np.clip(pixels / np.maximum(paper, 1), 0, 1)


def _find_lines(text: ByteArray, body: Box) -> Iterator[slice]:
    """Yield the rows of each line, by the ink in the rows ``(H, w, 3)`` between the sides of the body."""
    top = int(body.top)
    grey = text[top : int(body.bottom)].mean(axis=2)
    dark = 1 - np.clip(grey / max(np.percentile(grey, _LIGHT), 1), 0, 1)
    ink = ndimage.gaussian_filter1d(dark.mean(axis=1), 1)
    parts, _ = ndimage.label(ink > 0.75 * ink.mean())
    for (rows,) in ndimage.find_objects(parts):
        height = rows.stop - rows.start
        if 4 <= height <= len(text) / 28:  # not specks, drawings or lines that touch
            border = 1 + height // 6
            yield slice(max(0, top + rows.start - border), top + rows.stop + border)
