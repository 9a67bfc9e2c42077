"""Random changes of brightness, contrast, saturation and hue."""

import random

import cv2
import numpy as np

from segrnn.labels.space import ByteArray


class ColorJitter:
    """Changes brightness, contrast, saturation and hue of an image, in random order.

    It draws and computes what albumentations' ``ColorJitter`` does, to the bit.

    Args:
        strength: the largest change of the factors of brightness, contrast and saturation from 1. Hue turns by at most
            a tenth of it, as a share of the whole circle.

    Example:
        >>> grey = np.full((2, 2, 3), 100, np.uint8)
        >>> ColorJitter(0.5)(grey, np.random.default_rng(0), random.Random(0)).shape
        (2, 2, 3)
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, image: ByteArray, rng: np.random.Generator, py_random: random.Random) -> ByteArray:
        """Return the image ``(H, W, 3)`` in other colours.

        Args:
            image: the image.
            rng: the generator of the order.
            py_random: the generator of the factors.
        """
        least, most = max(1 - self.strength, 0), 1 + self.strength
        factors = [py_random.uniform(least, most) for _ in range(3)]
        factors.append(py_random.uniform(-self.strength / 10, self.strength / 10))
        order = list(range(len(_CHANGES)))
        rng.shuffle(order)
        for which in order:
            image = _CHANGES[which](image, factors[which])
        return image


def _brightness(image: ByteArray, factor: float) -> ByteArray:
    return _look_up(image, _LEVELS * np.float32(factor))


def _contrast(image: ByteArray, factor: float) -> ByteArray:
    mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean())
    return _look_up(image, _LEVELS * factor + mean * (1 - factor))


def _saturation(image: ByteArray, factor: float) -> ByteArray:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(image, factor, grey, 1 - factor, 0), np.uint8)


def _hue(image: ByteArray, factor: float) -> ByteArray:
    turned = np.mod(_LEVELS.astype(np.int16) + _CIRCLE * factor, _CIRCLE)
    levels = np.stack([turned, _LEVELS, _LEVELS], axis=-1).astype(np.uint8)  # saturation and value stay
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, levels[None]), cv2.COLOR_HSV2RGB), np.uint8)


_CHANGES = (_brightness, _contrast, _saturation, _hue)

_LEVELS = np.arange(256, dtype=np.float32)
"""The values that a byte can have."""

_CIRCLE = 180
"""The number of OpenCV's steps of hue in a whole circle."""


def _look_up(image: ByteArray, levels: np.ndarray) -> ByteArray:
    return np.asarray(cv2.LUT(image, levels.clip(0, 255).astype(np.uint8)), np.uint8)
