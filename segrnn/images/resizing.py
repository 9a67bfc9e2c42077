"""Resizing images and masks."""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from segrnn.labels.space import ByteArray

Scalar = TypeVar("Scalar", bound=np.integer | np.floating)


def resize_image(image: npt.NDArray[Scalar], size: Sequence[int], area: bool = True) -> npt.NDArray[Scalar]:
    """Return an image ``(H, W, C)`` at another size, ``(height, width, C)``. At its own size, it stays as it is.

    Args:
        image: the image.
        size: height and width of the result.
        area: whether pixels are averaged over areas if a side shrinks. This is slower than linear interpolation, which
            skips pixels.

    Example:
        >>> resize_image(np.zeros((6, 8, 3), np.uint8), (3, 4)).shape
        (3, 4, 3)
    """
    shrinks = size[0] < image.shape[0] or size[1] < image.shape[1]
    return _resize(image, size, cv2.INTER_AREA if area and shrinks else cv2.INTER_LINEAR)


def resize_mask(mask: ByteArray, size: Sequence[int]) -> ByteArray:
    """Return a mask ``(H, W)`` at another size, ``(height, width)``. Each pixel takes the nearest id.

    Args:
        mask: the mask.
        size: height and width of the result.

    Example:
        >>> resize_mask(np.array([[1, 2]], np.uint8), (1, 4)).tolist()
        [[1, 1, 2, 2]]
    """
    return _resize(mask, size, cv2.INTER_NEAREST)


def _resize(array: npt.NDArray[Scalar], size: Sequence[int], interpolation: int) -> npt.NDArray[Scalar]:
    array = np.ascontiguousarray(array)
    height, width = size
    if array.shape[:2] == (height, width):
        return array
    resized = np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), array.dtype)
    return resized.reshape(height, width, *array.shape[2:])  # OpenCV drops the axis of a single channel
