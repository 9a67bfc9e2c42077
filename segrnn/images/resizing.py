"""Resizing images and masks."""

from collections.abc import Sequence

import cv2
import numpy as np

from segrnn.labels.space import ByteArray


def resize_image(image: ByteArray, size: Sequence[int], area: bool = True) -> ByteArray:
    """Return an image ``(H, W, 3)`` at another size, ``(height, width, 3)``. At its own size, it stays as it is.

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


def _resize(array: ByteArray, size: Sequence[int], interpolation: int) -> ByteArray:
    array = np.ascontiguousarray(array)
    height, width = size
    if array.shape[:2] == (height, width):
        return array
    return np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), np.uint8)
