"""Run-length encodings of areas, by pycocotools: the one rule that says which pixels a polygon covers.

Points count from the picture's upper left corner, and the pixel in column x and row y reaches from x to x + 1 and from
y to y + 1. A polygon whose points are corners of pixels covers exactly the pixels inside. Otherwise pycocotools draws
the border five times finer. Where a polygon crosses itself, a pixel is covered if a ray from it meets the border an odd
number of times. What lies outside of the picture is cut off.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.errors import ConfigError
from segrnn.labels.space import ByteArray

Runs = dict[str, Any]
"""Pycocotools' encoding of an area: ``size``, which is height and width, and the compressed ``counts``."""

Points = npt.NDArray[np.float64]
"""The corners ``(N, 2)`` of a polygon, each as x and y."""

Size = tuple[int, int]
"""The height and the width of a picture."""


def _mask() -> Any:
    """Import pycocotools, which need not be installed."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ConfigError(
            f'polygons need pycocotools, which can\'t be imported ({error}): pip install "segrnn[polygons]"'
        ) from error
    return mask


def encode_polygon(points: Points, size: Size) -> Runs:
    """Encode the area that a polygon covers.

    Args:
        points: the corners ``(N, 2)``, at least three.
        size: the height and the width of the picture.

    Raises:
        ConfigError: pycocotools is not installed.

    Example:
        >>> decode(encode_polygon(np.array([[1, 0], [3, 0], [3, 1], [1, 1]]), (2, 4))).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    runs: list[Runs] = _mask().frPyObjects([np.asarray(points, np.float64).ravel().tolist()], *size)
    return runs[0]


def encode_counts(counts: Sequence[int], size: Size) -> Runs:
    """Encode an area from COCO's uncompressed counts: lengths of runs down the columns, the first of them outside.

    Raises:
        ValueError: the counts do not add up to the picture.
        ConfigError: pycocotools is not installed.
    """
    height, width = size
    lengths = np.asarray(counts)
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or lengths.min() < 0 or lengths.sum() != height * width:
        raise ValueError(f"counts do not add up to {width} x {height} pixels")
    runs: Runs = _mask().frPyObjects({"counts": lengths.tolist(), "size": [height, width]}, height, width)
    return runs


def unite(areas: Sequence[Runs]) -> Runs:
    """Return the union of areas of one picture.

    Raises:
        ConfigError: pycocotools is not installed.
    """
    runs: Runs = _mask().merge(list(areas))
    return runs


def count_pixels(area: Runs) -> int:
    """Return the number of pixels of an area.

    Raises:
        ConfigError: pycocotools is not installed.
    """
    return int(_mask().area(area))


def find_box(area: Runs) -> list[float]:
    """Return the box around an area: x, y, width and height.

    Raises:
        ConfigError: pycocotools is not installed.
    """
    box: list[float] = _mask().toBbox(area).tolist()
    return box


def decode(area: Runs) -> ByteArray:
    """Return the pixels ``(H, W)`` of an area: 1 inside, 0 outside.

    Raises:
        ConfigError: pycocotools is not installed.
    """
    return np.asarray(_mask().decode(area), np.uint8)
