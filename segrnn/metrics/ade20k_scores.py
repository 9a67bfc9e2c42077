"""The score of the ADE20K scene parsing benchmark."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from segrnn.metrics.arithmetic import IntArray, divide, known


@dataclass(frozen=True)
class ADE20KScores:
    """Pixel accuracy, mean IoU and the mean of the two, as fractions.

    The rule is that of the MIT scene parsing benchmark (Zhou et al. 2017, *Scene Parsing through ADE20K Dataset*). Its
    mean IoU differs from `Scores.miou` in one point: the mean is over **all** K classes, and a class that is neither
    true nor predicted counts as 0. `Scores.miou` leaves such a class out. On the whole validation set, which has all
    150 classes, the two are equal. On a part of it, the benchmark's mean is lower.

    Args:
        counts: int64 ``(K, K)``, or ``(K, K + 1)`` with a column for void, as in `Scores`. Pixels without a label (id 0
            on disk) are left out.

    Example:
        >>> scores = ADE20KScores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
        >>> scores.pixel_accuracy, round(scores.mean_iou, 4), round(scores.score, 4)
        (0.875, 0.5167, 0.6958)
    """

    counts: IntArray

    @property
    def pixel_accuracy(self) -> float:
        """Return the share of the labelled pixels that are right; NaN if no pixel is labelled."""
        return float(divide(np.trace(self.counts), self.counts.sum()))

    @property
    def mean_iou(self) -> float:
        """Return the mean IoU of all K classes. A class that never occurs counts as 0."""
        hits = np.diag(self.counts)
        iou = divide(hits, self.counts.sum(axis=0)[: len(hits)] + self.counts.sum(axis=1) - hits)
        return float(np.nan_to_num(iou, nan=0).mean())

    @property
    def score(self) -> float:
        """Return the score of the benchmark: the mean of `pixel_accuracy` and `mean_iou`."""
        return (self.pixel_accuracy + self.mean_iou) / 2

    def to_dict(self) -> dict[str, Any]:
        """Return all scores as primitives. NaN becomes None, because JSON has no NaN."""
        return {
            "score": known(self.score),
            "pixel_accuracy": known(self.pixel_accuracy),
            "mean_iou": known(self.mean_iou),
        }
