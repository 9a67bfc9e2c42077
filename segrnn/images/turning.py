"""Turning photographs as their EXIF tags say. Cameras store pixels as they lie on the sensor, and add such a tag."""

import warnings
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

Scalar = TypeVar("Scalar", bound=np.generic)

UPRIGHT = 1
"""The orientation of a picture that is stored as people see it."""


def orientation_of(picture: Image.Image) -> int:
    """Return the orientation that a picture's EXIF tag names, 1 to 8, or 1 if it has no such tag.

    Pillow has turned a TIFF already when its pixels are there, and pillow-heif a HEIC.
    """
    if picture.format == "TIFF":
        return UPRIGHT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damaged tags
            orientation = picture.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except Exception:  # Pillow raises many kinds for damaged tags, which are no reason to refuse the pixels
        return UPRIGHT
    return orientation if orientation in range(1, 9) else UPRIGHT


def turn(pixels: npt.NDArray[Scalar], orientation: int) -> npt.NDArray[Scalar]:
    """Return pixels ``(H, W, C)`` of an orientation as people see them. From 5 on, height and width change places.

    Example:
        >>> turn(np.zeros((2, 5, 3), np.uint8), 6).shape
        (5, 2, 3)
    """
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
