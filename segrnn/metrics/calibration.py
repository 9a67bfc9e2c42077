"""Calibration: a measure of whether the confidence of a prediction can be trusted."""

from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray
from segrnn.metrics.arithmetic import FloatArray, divide, known
from segrnn.metrics.checks import require_equal_shapes

UNIT = 2**24
"""Confidences are counted in units of 1 / UNIT, because float32 has no finer steps between 1/2 and 1."""


class Calibration:
    """Expected calibration error: the mean difference between confidence and accuracy.

    It is defined in Guo et al. 2017, *On Calibration of Modern Neural Networks* (arXiv 1706.04599), equation 3::

        ECE = sum over the bins m of (n_m / n) |accuracy_m - confidence_m|

    Bin m of M holds the pixels with a confidence in ((m - 1) / M, m / M]; a confidence of 0 is in the first bin.
    Everything is counted in integers, with confidences in units of 2**-24. So the error does not depend on the order of
    the images or the number of processes.

    Attributes:
        pixels: int64 ``(M,)``, the number of pixels in each bin. Void pixels are not counted.
        correct: int64 ``(M,)``, the number of pixels in each bin with a right prediction.
        confidences: int64 ``(M,)``, the sum of the confidences in each bin, in units of 2**-24.

    Args:
        bins: M, the number of bins.

    Raises:
        ValueError: the number of bins is less than 1.

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
            ValueError: the shapes differ, or a confidence is not in [0, 1].
        """
        require_equal_shapes(prediction, target)
        if confidence.shape != target.shape:
            raise ValueError(f"confidence {confidence.shape} and target {target.shape} differ in shape")
        if not ((confidence >= 0) & (confidence <= 1)).all():  # NaN is refused, too
            raise ValueError(f"confidence must be in [0, 1], got {confidence.min()} to {confidence.max()}")

        valid = target != IGNORE_INDEX
        # float64 holds the product of a float32 and a small integer exactly, so that no pixel slips into the next bin
        confident = confidence[valid].astype(np.float64)
        bin_ = np.maximum(np.ceil(confident * self.bins).astype(np.int64) - 1, 0)
        units = np.rint(confident * UNIT)
        self.pixels += np.bincount(bin_, minlength=self.bins)
        self.correct += np.bincount(bin_[(prediction == target)[valid]], minlength=self.bins)
        # these are sums of integers in float64, which are exact if an image has less than 2**29 pixels
        self.confidences += np.bincount(bin_, units, minlength=self.bins).astype(np.int64)

    def merge(self, other: "Calibration") -> None:
        """Add the counts of other images."""
        self.pixels += other.pixels
        self.correct += other.correct
        self.confidences += other.confidences

    @property
    def error(self) -> float:
        """Return the expected calibration error; NaN if no pixel was counted."""
        gaps = np.abs(self.correct * UNIT - self.confidences)
        return float(divide(gaps.sum(), self.pixels.sum() * UNIT))

    @property
    def accuracy(self) -> FloatArray:
        """Return the share of right predictions in each bin, ``(M,)``; NaN for an empty bin."""
        return divide(self.correct, self.pixels)

    @property
    def confidence(self) -> FloatArray:
        """Return the mean confidence in each bin, ``(M,)``; NaN for an empty bin."""
        return divide(self.confidences, self.pixels * UNIT)

    def to_dict(self) -> dict[str, Any]:
        """Return all results as primitives, with the bins from unsure to sure. NaN becomes None: JSON has no NaN."""
        rows = zip(self.pixels, self.accuracy, self.confidence, strict=True)
        return {
            "expected_calibration_error": known(self.error),
            "per_bin": [
                {"pixels": int(pixels), "accuracy": known(accuracy), "confidence": known(confidence)}
                for pixels, accuracy, confidence in rows
            ],
        }
