"""Mean and standard deviation of the channels of a dataset's images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segrnn.datasets.files import SegmentationDataset

Sums = npt.NDArray[np.float64]
"""The number of pixels, and the sums of values and of squares of each channel, ``(3, C)``."""


def sum_channels(dataset: SegmentationDataset, index: int) -> Sums:
    """Sum the values of each channel of an image, where the dataset's ``bands.white`` counts as 1."""
    pixels = dataset.read_pixels(dataset.pairs[index].image)
    values = pixels.reshape(-1, pixels.shape[2]).astype(np.float64) / dataset.bands.white
    return np.stack([np.full(values.shape[1], len(values)), values.sum(axis=0), (values**2).sum(axis=0)])


def normalisation(sums: Sequence[Sums]) -> tuple[list[float], list[float]]:
    """Return the mean and the standard deviation of each channel over all pixels, rounded to four digits.

    A channel that never changes gets a standard deviation of 1.

    Example:
        >>> normalisation([np.array([[2.0], [1.0], [1.0]])])  # one pixel of 0 and one of 1
        ([0.5], [0.5])
    """
    count, total, squares = np.sum(sums, axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation == 0] = 1
    return [float(f"{value:.4g}") for value in mean], [float(f"{value:.4g}") for value in deviation]
