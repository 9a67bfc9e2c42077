"""The four scores of the Cityscapes pixel-level benchmark."""

from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.labels import LabelSpace
from segrnn.metrics.arithmetic import FloatArray, IntArray, divide, known, mean
from segrnn.metrics.instances import CATEGORY_HITS, CLASS_HITS, PIXELS, TRAIN_ID, InstanceHits
from segrnn.metrics.scores import Scores


@dataclass(frozen=True)
class CityscapesScores:
    """IoU and instance-weighted IoU (iIoU) of classes and of categories, as fractions.

    The scores are those of cityscapesScripts' ``evalPixelLevelSemanticLabeling``, defined in Cordts et al. 2016, *The
    Cityscapes Dataset for Semantic Urban Scene Understanding* (arXiv 1604.01685), section 4.1::

        iIoU = iTP / (iTP + FP + iFN)

    In iTP and iFN, a pixel of an instance has the weight (average instance size of its class) / (size of the instance).
    The pixels of FP belong to no instance and have the weight 1. A class without instances has no iIoU. A category has
    none if one of its labels has no instances. Any class of a category is a hit for that category. A missing score is
    NaN and is left out of means.

    Args:
        counts: int64 ``(K, K)``, or ``(K, K + 1)`` with a column for void, as in `Scores`. Pixels with a void truth are
            left out.
        space: the label table of the train ids: Cityscapes, or a subset of it.
        instances: the hits of instances. Without them, every iIoU is NaN.

    Raises:
        ValueError: the counts or the instances do not belong to the label table.

    Example:
        >>> from segrnn.labels import CITYSCAPES
        >>> space = CITYSCAPES.subset("three", ["road", "car", "bus"])
        >>> scores = CityscapesScores(np.array([[5, 1, 0], [0, 2, 1], [0, 0, 3]]), space)
        >>> scores.class_iou.tolist()
        [0.8333333333333334, 0.5, 0.75]
        >>> dict(zip(scores.space.categories, scores.category_iou.tolist()))
        {'flat': 0.8333333333333334, 'vehicle': 0.8571428571428571}
    """

    counts: IntArray
    space: LabelSpace
    instances: InstanceHits | None = None

    def __post_init__(self) -> None:
        name, classes = self.space.name, self.space.num_classes
        if self.counts.shape not in ((classes, classes), (classes, classes + 1)):
            raise ValueError(f"{name} has {classes} classes, but the counts have the shape {self.counts.shape}")
        if self.instances is not None and self.instances.space.labels != self.space.labels:
            raise ValueError(f"the label table is {name}, but the instances are of {self.instances.space.name}")

    @property
    def _members(self) -> IntArray:
        """Return a matrix ``(C, K)`` with 1 where the class belongs to the category."""
        own = [label.category for label in self.space.classes]
        return np.array([[category == of_class for of_class in own] for category in self.space.categories], np.int64)

    @property
    def _category_counts(self) -> IntArray:
        """Return the `counts` of categories, ``(C, C)``, with a column for void if `counts` have one."""
        rows, classes = self._members @ self.counts, self.space.num_classes
        return np.hstack([rows[:, :classes] @ self._members.T, rows[:, classes:]])

    @property
    def class_iou(self) -> FloatArray:
        """Return the IoU of each class, ``(K,)``."""
        return Scores(self.counts, self.space.class_names).iou

    @property
    def class_iiou(self) -> FloatArray:
        """Return the instance-weighted IoU of each class, ``(K,)``."""
        scored = np.array([label.has_instances for label in self.space.classes])
        return self._iiou(_false_alarms(self.counts), np.eye(len(scored), dtype=np.int64), CLASS_HITS, scored)

    @property
    def category_iou(self) -> FloatArray:
        """Return the IoU of each of the label table's `categories`, ``(C,)``."""
        return Scores(self._category_counts, self.space.categories).iou

    @property
    def category_iiou(self) -> FloatArray:
        """Return the instance-weighted IoU of each of the label table's `categories`, ``(C,)``."""
        # void labels count here, too, except for a label that exists in polygons only (its id is negative)
        lacking = {label.category for label in self.space.labels if label.id >= 0 and not label.has_instances}
        scored = np.array([category not in lacking for category in self.space.categories])
        false_alarms = _false_alarms(self._category_counts)
        if self.instances is not None:
            false_alarms = false_alarms + self.instances.false_alarms
        return self._iiou(false_alarms, self._members, CATEGORY_HITS, scored)

    def _iiou(self, false_alarms: IntArray, members: IntArray, hits: int, scored: npt.NDArray[np.bool_]) -> FloatArray:
        """Compute the iIoU of G groups of classes.

        Args:
            false_alarms: ``(G,)``, the pixels that are predicted as the group and belong to another one.
            members: ``(G, K)``, 1 where the class belongs to the group.
            hits: the column with the number of an instance's pixels that are predicted as its group.
            scored: ``(G,)``, whether the group has an iIoU.
        """
        if self.instances is None:
            return np.full(len(members), np.nan)
        true, pixels, found = self.instances.rows[:, [TRAIN_ID, PIXELS, hits]].T
        sizes = np.array([label.instance_size for label in self.space.classes], np.float64)
        weight = sizes[true] / pixels
        # fsum rounds only once, so that the order of the instances does not change the result
        groups = members[:, true].astype(bool)
        found_weight = np.array([fsum((found * weight)[group]) for group in groups])
        missed_weight = np.array([fsum(((pixels - found) * weight)[group]) for group in groups])
        iiou = divide(found_weight, found_weight + false_alarms + missed_weight)
        return np.where(scored, iiou, np.nan)

    @property
    def mean_class_iou(self) -> float:
        """Return the mean of `class_iou`. It is the benchmark's first column, and equal to `Scores.miou`."""
        return mean(self.class_iou)

    @property
    def mean_class_iiou(self) -> float:
        """Return the mean of `class_iiou`."""
        return mean(self.class_iiou)

    @property
    def mean_category_iou(self) -> float:
        """Return the mean of `category_iou`."""
        return mean(self.category_iou)

    @property
    def mean_category_iiou(self) -> float:
        """Return the mean of `category_iiou`."""
        return mean(self.category_iiou)

    def to_dict(self) -> dict[str, Any]:
        """Return all scores as primitives. NaN becomes None, because JSON has no NaN."""
        return {
            "mean_class_iou": known(self.mean_class_iou),
            "mean_class_iiou": known(self.mean_class_iiou),
            "mean_category_iou": known(self.mean_category_iou),
            "mean_category_iiou": known(self.mean_category_iiou),
            "per_class": _rows(self.space.class_names, self.class_iou, self.class_iiou),
            "per_category": _rows(self.space.categories, self.category_iou, self.category_iiou),
        }


def _false_alarms(counts: IntArray) -> IntArray:
    return np.asarray(counts.sum(axis=0)[: len(counts)] - np.diag(counts))


def _rows(names: tuple[str, ...], iou: FloatArray, iiou: FloatArray) -> dict[str, dict[str, float | None]]:
    return {
        name: {"iou": known(one), "iiou": known(weighted)} for name, one, weighted in zip(names, iou, iiou, strict=True)
    }
