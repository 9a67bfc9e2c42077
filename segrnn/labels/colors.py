"""Label pictures that show each label in its own colour."""

import colorsys
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from segrnn.labels.space import ByteArray

Color = tuple[int, int, int]


class ColorCode:
    """The ids that the colours of a label picture stand for.

    Args:
        ids: the id of each colour; several colours may share one.
        unknown: the id of all other colours.

    Example:
        >>> code = ColorCode({(128, 64, 128): 0, (0, 0, 192): 1}, unknown=11)
        >>> code.decode(np.array([[[0, 0, 192], [1, 2, 3]]], dtype=np.uint8))
        (array([[ 1, 11]], dtype=uint8), 1)
    """

    def __init__(self, ids: Mapping[Color, int], unknown: int) -> None:
        self.ids, self.unknown = dict(ids), unknown

    @cached_property
    def _sorted(self) -> tuple[npt.NDArray[np.uint32], ByteArray]:
        packed = sorted((_pack(np.array(color, np.uint8)), id) for color, id in self.ids.items())
        return np.array([color for color, _ in packed], np.uint32), np.array([id for _, id in packed], np.uint8)

    def decode(self, picture: ByteArray) -> tuple[ByteArray, int]:
        """Return the ids ``(H, W)`` of a label picture ``(H, W, 3)``, and the number of pixels of unknown colour."""
        colors, ids = self._sorted
        packed = _pack(picture)
        at = np.searchsorted(colors, packed).clip(max=len(colors) - 1)
        known = colors[at] == packed
        return np.where(known, ids[at], np.uint8(self.unknown)), int(known.size - np.count_nonzero(known))


def spread_color(index: int) -> Color:
    """Return a colour for a class that has none. Hues are a golden ratio apart, so neighbours look different."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.61803398875 % 1, 0.75, 0.9)
    return int(255 * red), int(255 * green), int(255 * blue)


def _pack(picture: ByteArray) -> npt.NDArray[np.uint32]:
    red, green, blue = np.moveaxis(picture.astype(np.uint32), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)


def hex_color(color: Sequence[int]) -> str:
    """Return a colour as web pages write it.

    Example:
        >>> hex_color((128, 64, 128))
        '#804080'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)
