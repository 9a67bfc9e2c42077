"""Whether the confidence of a prediction can be trusted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray
from segrnn.metrics.arithmetic import FloatArray, divide, known
from segrnn.metrics.checks import require_equal_shapes

UNIT = 2**24
"""Confidences are counted in units of 1 / UNIT: float32 has no finer steps between 1/2 and 1."""


class Calibration:
    """Expected calibration error: how far confidence and accuracy are apart.

    Guo et al. 2017, *On Calibration of Modern Neural Networks* (arXiv 1706.04599), equation 3::

        ECE = sum over the bins m of (n_m / n) |accuracy_m - confidence_m|

    Bin m of M holds the pixels whose confidence is in ((m - 1) / M, m / M]; 0 itself is in the first. Everything is
    counted in integers, confidence in units of 2**-24, so the error does not depend on order or process count.

    Attributes:
        pixels: int64 ``(M,)``, the pixels in each bin; void truth is in none.
        correct: int64 ``(M,)``, those of them whose prediction is right.
        confidences: int64 ``(M,)``, the sum of their confidences in units of 2**-24.

    Args:
        bins: M.

    Raises:
        ValueError: less than one bin.

    Example:
        >>> calibration = Calibration(bins=2)
        >>> confidence = np.array([[0.75, 0.75, 0.25, 0.25]], np.float32)
        >>> calibration.update(confidence, np.array([[0, 1, 1, 1]]), np.array([[0, 1, 0, 255]]))
        >>> calibration.error
        0.25
    """

    def __init__(self, bins: int = 15) -> None:
        if bins < 1:
            raise ValueError(f"bins must be at least 1, got {bins}")
        self.bins = bins
        self.pixels = np.zeros(bins, np.int64)
        self.correct = np.zeros(bins, np.int64)
        self.confidences = np.zeros(bins, np.int64)

    def update(self, confidence: npt.NDArray[np.float32], prediction: ByteArray, target: ByteArray) -> None:
        """Count one image.

        Args:
            confidence: the probability of the predicted class, ``(H, W)``.
            prediction: train ids ``(H, W)``.
            target: train ids ``(H, W)``, with void.

        Raises:
            ValueError: shapes differ, or a confidence is not in [0, 1].
        """
        require_equal_shapes(prediction, target)
        if confidence.shape != target.shape:
            raise ValueError(f"confidence {confidence.shape} and target {target.shape} differ in shape")
        if not ((confidence >= 0) & (confidence <= 1)).all():  # NaN too is neither
            raise ValueError(f"confidence must be in [0, 1], got {confidence.min()} to {confidence.max()}")

        valid = target != IGNORE_INDEX
        # float64 holds the product of a float32 and a small integer exactly, so that no pixel slips into the next bin
        confident = confidence[valid].astype(np.float64)
        bin_ = np.maximum(np.ceil(confident * self.bins).astype(np.int64) - 1, 0)
        units = np.rint(confident * UNIT)
        self.pixels += np.bincount(bin_, minlength=self.bins)
        self.correct += np.bincount(bin_[(prediction == target)[valid]], minlength=self.bins)
        # sums of integers in float64, exact as long as an image has less than 2**29 pixels
        self.confidences += np.bincount(bin_, units, minlength=self.bins).astype(np.int64)

    @property
    def error(self) -> float:
        """The expected calibration error; NaN where no pixel was counted."""
        gaps = np.abs(self.correct * UNIT - self.confidences)
        return float(divide(gaps.sum(), self.pixels.sum() * UNIT))

    @property
    def accuracy(self) -> FloatArray:
        """The share of each bin's pixels that is right, ``(M,)``; NaN in an empty bin."""
        return divide(self.correct, self.pixels)

    @property
    def confidence(self) -> FloatArray:
        """The mean confidence of each bin's pixels, ``(M,)``; NaN in an empty bin."""
        return divide(self.confidences, self.pixels * UNIT)

    def to_dict(self) -> dict[str, Any]:
        """All of it as primitives, bins from unsure to sure; NaN becomes None, as JSON has no NaN."""
        rows = zip(self.pixels, self.accuracy, self.confidence, strict=True)
        return {
            "expected_calibration_error": known(self.error),
            "per_bin": [
                {"pixels": int(pixels), "accuracy": known(accuracy), "confidence": known(confidence)}
                for pixels, accuracy, confidence in rows
            ],
        }
