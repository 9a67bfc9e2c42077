"""Choosing the part of an image that a training crop shows."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray

_TRIES = 10
_COUNTED = 128
"""The approximate number of rows and of columns of a window in which its classes are counted."""


Scalar = TypeVar("Scalar", bound=np.generic)


class Window(NamedTuple):
    """A part of an image, in pixels of the image. It may reach beyond the border."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, array: npt.NDArray[Scalar], fill: int) -> npt.NDArray[Scalar]:
        """Return the window's part of ``(H, W)`` or ``(H, W, C)``, with `fill` beyond the border."""
        rows = slice(max(self.top, 0), max(0, min(self.top + self.height, array.shape[0])))
        columns = slice(max(self.left, 0), max(0, min(self.left + self.width, array.shape[1])))
        inside = array[rows, columns]
        if inside.shape[:2] == (self.height, self.width):
            return inside
        part = np.full_like(array, fill, shape=(self.height, self.width, *array.shape[2:]))
        top, left = rows.start - self.top, columns.start - self.left
        part[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        return part


def draw_window(
    mask: ByteArray, crop: Sequence[int], scale: Sequence[float], max_class_share: float, rng: np.random.Generator
) -> Window:
    """Draw a random window that shows the image at a random scale once it is resized to a crop.

    If one class covers more than its share of a window, another window is drawn, at most ten in all. So crops that show
    only road are rare. This is mmsegmentation's ``cat_max_ratio``. Classes are counted on a grid of about 128 x 128
    points.

    Args:
        mask: train ids ``(H, W)``.
        crop: height and width of the crop.
        scale: the least and the greatest factor from the image's size.
        max_class_share: the share of the valid pixels that a class may cover; 1 takes every window.
        rng: the generator of random numbers.

    Example:
        >>> draw_window(np.zeros((8, 8), np.uint8), (4, 4), (2, 2), 1, np.random.default_rng(0))[2:]
        (2, 2)
    """
    low, high = scale
    factor = rng.uniform(low, high)
    height, width = (max(1, round(side / factor)) for side in crop)
    for _ in range(_TRIES):
        # if the image is smaller than the window, it lies somewhere inside the window
        top, left = (
            int(rng.integers(min(0, full - part), max(0, full - part), endpoint=True))
            for full, part in zip(mask.shape, (height, width), strict=True)
        )
        window = Window(top, left, height, width)
        if max_class_share == 1 or _largest_share(window.cut(mask, IGNORE_INDEX)) <= max_class_share:
            break
    return window


def _largest_share(mask: ByteArray) -> float:
    """Return the most frequent class's share of the valid pixels, or 1 if no pixel is valid."""
    down, right = (max(1, side // _COUNTED) for side in mask.shape)
    counts = np.bincount(mask[::down, ::right].ravel(), minlength=IGNORE_INDEX + 1)[:IGNORE_INDEX]
    return float(counts.max() / counts.sum()) if counts.any() else 1.0
