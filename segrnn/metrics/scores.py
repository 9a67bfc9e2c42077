"""Intersection over union and accuracies from a confusion matrix."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from segrnn.metrics.arithmetic import FloatArray, IntArray, divide, known, mean


class Confusion(NamedTuple):
    """The number of pixels of one class that are predicted as another class, and their share of the true class.

    Example:
        >>> Scores(np.array([[3, 1], [0, 4]]), ("road", "sky")).confusions(1)
        [Confusion(true='road', predicted='sky', pixels=1, share=0.25)]
    """

    true: str
    predicted: str
    pixels: int
    share: float


@dataclass(frozen=True)
class Scores:
    """Scores of a segmentation, as fractions.

    As in the Cityscapes evaluation, a class that occurs neither in the truth nor in the predictions has an IoU of NaN
    and is left out of the mean. A class that is predicted but never true counts as 0. A pixel that is predicted as void
    is wrong, but it does not count as a false alarm of any class.

    Args:
        counts: int64 ``(K, K)``; rows are the truth, columns the prediction. With one more column, ``(K, K + 1)``, the
            last one counts the pixels that are predicted as void.
        class_names: the names of the K classes.

    Example:
        >>> scores = Scores(np.array([[3, 1], [0, 4]]), ("road", "sky"))
        >>> scores.iou.tolist(), scores.pixel_accuracy
        ([0.75, 0.8], 0.875)
    """

    counts: IntArray
    class_names: tuple[str, ...]

    @property
    def _hits(self) -> IntArray:
        return np.diag(self.counts)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns of `counts`: those of the classes, and of void if it has a column."""
        return (*self.class_names, "void")[: self.counts.shape[1]]

    @property
    def support(self) -> IntArray:
        """Return the number of true pixels of each class, ``(K,)``."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted(self) -> IntArray:
        """Return the number of pixels that are predicted as each class, ``(K,)``."""
        return np.asarray(self.counts.sum(axis=0)[: len(self.counts)])

    @property
    def iou(self) -> FloatArray:
        """Return the intersection over union of each class, ``(K,)``."""
        return divide(self._hits, self.support + self.predicted - self._hits)

    @property
    def accuracy(self) -> FloatArray:
        """Return the share of each class's true pixels that is found (recall), ``(K,)``."""
        return divide(self._hits, self.support)

    @property
    def precision(self) -> FloatArray:
        """Return the share of the pixels predicted as each class that are right, ``(K,)``."""
        return divide(self._hits, self.predicted)

    @property
    def dice(self) -> FloatArray:
        """Return the Dice score of each class, ``(K,)``. It is also the F1 score, and it is 2 IoU / (1 + IoU)."""
        return divide(2 * self._hits, self.support + self.predicted)

    @property
    def miou(self) -> float:
        """Return the mean of `iou` over the classes that occur."""
        return mean(self.iou)

    @property
    def mean_accuracy(self) -> float:
        """Return the mean of `accuracy` over the classes that occur in the truth."""
        return mean(self.accuracy)

    @property
    def pixel_accuracy(self) -> float:
        """Return the share of all pixels that are right."""
        total = self.counts.sum()
        return float(self._hits.sum() / total) if total else float("nan")

    @property
    def mean_dice(self) -> float:
        """Return the mean of `dice` over the classes that occur."""
        return mean(self.dice)

    @property
    def kappa(self) -> float:
        """Return Cohen's kappa (1960): how much of the agreement that chance leaves over is reached.

        NaN if chance alone agrees everywhere, as with a single class.
        """
        total = int(self.counts.sum())
        if not total:
            return float("nan")
        by_chance = float(np.sum(self.support / total * (self.predicted / total)))
        return (self.pixel_accuracy - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")

    @property
    def frequency_weighted_iou(self) -> float:
        """Return the mean of `iou`, weighted by the number of true pixels of each class."""
        total = self.support.sum()
        if not total:
            return float("nan")
        return float(np.nansum(self.iou * self.support) / total)

    def confusions(self, count: int) -> list[Confusion]:
        """Return up to `count` of the most frequent confusions, those with the most pixels first."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        cells = np.argsort(wrong, axis=None, kind="stable")[::-1][:count]
        return [
            Confusion(
                self.class_names[true],
                self.columns[predicted],
                int(wrong[true, predicted]),
                float(wrong[true, predicted] / self.support[true]),
            )
            for true, predicted in zip(*np.unravel_index(cells, wrong.shape), strict=True)
            if wrong[true, predicted]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all scores as primitives. NaN becomes None, because JSON has no NaN."""
        per_class = {
            name: {
                "iou": known(self.iou[k]),
                "dice": known(self.dice[k]),
                "precision": known(self.precision[k]),
                "accuracy": known(self.accuracy[k]),
                "pixels": int(self.support[k]),
            }
            for k, name in enumerate(self.class_names)
        }
        return {
            "miou": known(self.miou),
            "pixel_accuracy": known(self.pixel_accuracy),
            "mean_accuracy": known(self.mean_accuracy),
            "frequency_weighted_iou": known(self.frequency_weighted_iou),
            "mean_dice": known(self.mean_dice),
            "kappa": known(self.kappa),
            "per_class": per_class,
        }
