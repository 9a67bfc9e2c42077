"""Intersection over union and accuracies from a confusion matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Element by element; NaN where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _mean(values: FloatArray) -> float:
    """The mean of what is not NaN; NaN when nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


@dataclass(frozen=True)
class Scores:
    """Scores of a segmentation, as fractions.

    A class that occurs neither in the truth nor in the predictions has an IoU of NaN and is left out of the mean, as
    in the Cityscapes evaluation; a class that is predicted but never true counts as 0.

    Args:
        counts: int64 ``(K, K)``, rows are the truth, columns the prediction.
        class_names: K names.

    Example:
        >>> scores = Scores(np.array([[3, 1], [0, 4]]), ("road", "sky"))
        >>> scores.iou.tolist(), scores.pixel_accuracy
        ([0.75, 0.8], 0.875)
    """

    counts: npt.NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def _hits(self) -> FloatArray:
        return np.diag(self.counts).astype(np.float64)

    @property
    def support(self) -> npt.NDArray[np.int64]:
        """True pixels of each class, ``(K,)``."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def iou(self) -> FloatArray:
        """Intersection over union of each class, ``(K,)``."""
        union = self.counts.sum(axis=1) + self.counts.sum(axis=0) - np.diag(self.counts)
        return _divide(self._hits, union.astype(np.float64))

    @property
    def accuracy(self) -> FloatArray:
        """The share of each class's true pixels that is found (recall), ``(K,)``."""
        return _divide(self._hits, self.support.astype(np.float64))

    @property
    def miou(self) -> float:
        """Mean of `iou` over the classes that occur."""
        return _mean(self.iou)

    @property
    def mean_accuracy(self) -> float:
        """Mean of `accuracy` over the classes that occur in the truth."""
        return _mean(self.accuracy)

    @property
    def pixel_accuracy(self) -> float:
        """Share of all pixels that are right."""
        total = self.counts.sum()
        return float(self._hits.sum() / total) if total else float("nan")

    @property
    def frequency_weighted_iou(self) -> float:
        """`iou` weighted by how often each class is true."""
        total = self.support.sum()
        if not total:
            return float("nan")
        return float(np.nansum(self.iou * self.support) / total)

    def to_dict(self) -> dict[str, Any]:
        """All of it as primitives; NaN becomes None, as JSON has no NaN."""
        per_class = {
            name: {"iou": _known(iou), "accuracy": _known(accuracy), "pixels": int(pixels)}
            for name, iou, accuracy, pixels in zip(self.class_names, self.iou, self.accuracy, self.support, strict=True)
        }
        return {
            "miou": _known(self.miou),
            "pixel_accuracy": _known(self.pixel_accuracy),
            "mean_accuracy": _known(self.mean_accuracy),
            "frequency_weighted_iou": _known(self.frequency_weighted_iou),
            "per_class": per_class,
        }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
