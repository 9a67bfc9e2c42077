"""Annotated areas in three forms, which become run-length encodings of one kind."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from segrnn.polygons.rle import Points, Runs, Size, encode_counts, encode_polygon

_LONGEST = 2_000_000
"""The longest outline of a polygon, in pixels. The memory that pycocotools needs grows with it."""

_FARTHEST = 100_000_000
"""The farthest place of a corner, in pixels. Pycocotools computes with numbers of 32 bits."""


class AreaError(ValueError):
    """An area can't be used. The message says which areas these are, so that equal ones can be counted."""


class Area(Protocol):
    """A part of a picture."""

    def encode(self, size: Size) -> Runs:
        """Encode the part of the area that lies in a picture of this height and width."""
        ...

    def reaches_outside(self, size: Size) -> bool:
        """Tell whether a part of the area lies outside of a picture of this height and width."""
        ...


@dataclass(frozen=True)
class Polygon:
    """An area inside of an outline.

    Args:
        points: the corners ``(N, 2)``, each as x and y in pixels.

    Raises:
        AreaError: there are fewer than three corners, a number is not finite, or a number is far too large.

    Example:
        >>> Polygon(np.array([[0, 0], [4, 0]]))
        Traceback (most recent call last):
        segrnn.polygons.shapes.AreaError: polygons with fewer than three points
    """

    points: Points

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise AreaError("polygons whose numbers are not pairs of x and y")
        if len(self.points) < 3:
            raise AreaError("polygons with fewer than three points")
        if not (np.abs(self.points) < _FARTHEST).all():  # nor is it for what is not a number
            raise AreaError("polygons with points that are far away or not numbers")
        if np.abs(np.diff(self.points, axis=0, append=self.points[:1])).sum() > _LONGEST:
            raise AreaError(f"polygons whose outline is longer than {_LONGEST} pixels")

    @classmethod
    def box(cls, left: float, top: float, right: float, bottom: float) -> "Polygon":
        """Make the polygon of a box."""
        return cls(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64))

    @classmethod
    def ellipse(cls, x: float, y: float, radius_x: float, radius_y: float) -> "Polygon":
        """Make a polygon of 128 corners on an ellipse around a point."""
        angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
        return cls(np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1))

    def encode(self, size: Size) -> Runs:
        """Encode the part of the area that lies in a picture of this height and width."""
        return encode_polygon(self.points, size)

    def reaches_outside(self, size: Size) -> bool:
        """Tell whether a corner lies outside of a picture of this height and width."""
        height, width = size
        return bool((self.points < 0).any() or (self.points > (width, height)).any())


@dataclass(frozen=True)
class Bitmap:
    """An area of single pixels.

    Args:
        pixels: the pixels ``(H, W)`` of a part of the picture.
        left: the column of the picture at which the part begins.
        top: the row of the picture at which the part begins.
    """

    pixels: npt.NDArray[np.bool_]
    left: int
    top: int

    def encode(self, size: Size) -> Runs:
        """Encode the part of the area that lies in a picture of this height and width."""
        (height, width), (rows, columns) = size, self._inside(size)
        strip = np.zeros((height, columns.stop - columns.start), bool)
        strip[rows] = self.pixels[_shift(rows, self.top), _shift(columns, self.left)]
        down = np.pad(strip.ravel(order="F"), 1).astype(np.int8)  # the order of the runs
        changes = np.flatnonzero(np.diff(down)) + columns.start * height
        lengths = np.diff(changes, prepend=0, append=height * width)
        return encode_counts(lengths[: -1 if lengths[-1] == 0 else None], size)

    def reaches_outside(self, size: Size) -> bool:
        """Tell whether a part of the area lies outside of a picture of this height and width."""
        height, width = self.pixels.shape
        return self.left < 0 or self.top < 0 or self.top + height > size[0] or self.left + width > size[1]

    def _inside(self, size: Size) -> tuple[slice, slice]:
        """Return the rows and columns of a picture in which pixels lie."""
        rows = _overlap(self.top, self.pixels.shape[0], size[0])
        return rows, _overlap(self.left, self.pixels.shape[1], size[1])


def _overlap(start: int, length: int, limit: int) -> slice:
    first = min(max(start, 0), limit)
    return slice(first, max(first, min(start + length, limit)))


def _shift(part: slice, start: int) -> slice:
    return slice(max(part.start - start, 0), max(part.stop - start, 0))


@dataclass(frozen=True)
class CocoRuns:
    """An area in COCO's run-length encoding.

    Args:
        size: the height and the width in the encoding.
        counts: the compressed text, or the lengths of the runs.
    """

    size: Size
    counts: Any

    def encode(self, size: Size) -> Runs:
        """Encode the area for a picture of this height and width.

        Raises:
            AreaError: the encoding belongs to a picture of another size, or is damaged.
        """
        if self.size != size:
            raise AreaError("run-length encodings of another size than the picture's")
        try:
            lengths = _read_counts(self.counts) if isinstance(self.counts, str) else self.counts
            return encode_counts(lengths, size)
        except (TypeError, ValueError) as error:
            raise AreaError("run-length encodings that are damaged") from error

    def reaches_outside(self, size: Size) -> bool:
        """Return False: the encoding has the picture's size."""
        return False


def _read_counts(text: str) -> list[int]:
    """Return the lengths of runs from COCO's compressed text. Pycocotools would read beyond the end of a damaged one.

    Six bits of a character count: the sixth says whether the number goes on, the fifth of the last one is its sign.
    From the fourth number on, the difference to the last but one number is stored.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{character!r} is not part of a run-length encoding")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the run-length encoding ends within a number")
    return lengths
