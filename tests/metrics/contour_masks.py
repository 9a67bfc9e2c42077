"""Masks with contours, and predictions that are nearly right."""

from collections.abc import Sequence

import numpy as np

VOID = 255


def random_masks(
    rng: np.random.Generator, size: tuple[int, int], wrong: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and its truth of three classes and void: shifted a little, and 5 % of its pixels are noise."""
    coarse = rng.choice([0, 1, 2, VOID], (-(-size[0] // 9), -(-size[1] // 7)))
    target = np.kron(coarse, np.ones((9, 7), int))[: size[0], : size[1]]
    shifted = np.roll(target, (1, 2), axis=(0, 1))
    noise = rng.choice(wrong, size)
    prediction = np.where((shifted == VOID) | (rng.random(size) < 0.05), noise, shifted)
    return prediction.astype(np.uint8), target.astype(np.uint8)
