"""Counts of the pixels that are found of each instance, for scores that weigh instances instead of pixels."""

import numpy as np
import numpy.typing as npt

from segrnn.labels import IGNORE_INDEX, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.metrics.checks import require_equal_shapes

IDS_PER_LABEL = 1000
"""An instance's id is this number times the id of its label, plus a running number. An id up to this number is the id
of a label without an instance: stuff and groups."""

TRAIN_ID, PIXELS, CLASS_HITS, CATEGORY_HITS = range(4)
"""The columns of `InstanceHits.rows`."""


class InstanceHits:
    """Counts, for each instance, of its pixels that are predicted as its class and as its category.

    As in the Cityscapes evaluation, instances of void labels are not counted, nor are groups. A group is a crowd that
    is annotated as one region, with the id of its label only. A void label that is predicted, such as a caravan, counts
    as its category.

    Attributes:
        rows: int64 ``(N, 4)``, one row per instance: train id, pixels, pixels predicted as its class, pixels predicted
            as any label of its category. Rows of several accumulators may be concatenated in any order.
        false_alarms: int64 ``(C,)``, the pixels that are predicted as a void label of each category and are a class of
            another category in truth.

    Args:
        space: the label table, with categories and instance sizes.

    Example:
        >>> from segrnn.labels import CITYSCAPES
        >>> car, truck, road = 26, 27, 7
        >>> hits = InstanceHits(CITYSCAPES)
        >>> hits.update(np.array([[car, truck, road, road]], np.uint8), np.array([[26001, 26001, 26001, 7]]))
        >>> hits.rows.tolist()
        [[13, 3, 1, 2]]
    """

    def __init__(self, space: LabelSpace) -> None:
        self.space = space
        self.rows = np.empty((0, 4), np.int64)
        self.false_alarms = np.zeros(len(space.categories), np.int64)
        self._category, self._of_class = np.full((2, 256), -1)
        for label in space.labels:
            if label.id >= 0 and label.category in space.categories:
                self._category[label.id] = space.categories.index(label.category)
                if label.train_id != IGNORE_INDEX:
                    self._of_class[label.id] = self._category[label.id]

    def update(self, prediction: ByteArray, instance_ids: npt.NDArray[np.integer]) -> None:
        """Count the instances of one image.

        Args:
            prediction: the ids of labels ``(H, W)``, not train ids.
            instance_ids: the ids ``(H, W)`` in the dataset's instance image.

        Raises:
            ValueError: the shapes differ, or an instance has a label without instances.
        """
        require_equal_shapes(prediction, instance_ids)
        counted = instance_ids > IDS_PER_LABEL
        predicted = prediction[counted]
        ids, instance, pixels = np.unique(instance_ids[counted], return_inverse=True, return_counts=True)
        labels = ids // IDS_PER_LABEL
        true = self._train_ids(ids)
        is_class = true != IGNORE_INDEX

        same_class = predicted == labels[instance]
        same_category = self._category[predicted] == self._category[labels][instance]
        hits = [np.bincount(instance[same], minlength=len(ids)) for same in (same_class, same_category)]
        rows = np.stack([true.astype(np.int64), pixels, *hits], axis=1)
        self.rows = np.concatenate([self.rows, rows[is_class]])
        self._count_false_alarms(prediction, instance_ids)

    def merge(self, other: "InstanceHits") -> None:
        """Add the counts of other images."""
        self.rows = np.concatenate([self.rows, other.rows])
        self.false_alarms += other.false_alarms

    def _count_false_alarms(self, prediction: ByteArray, instance_ids: npt.NDArray[np.integer]) -> None:
        void = (self._category[prediction] >= 0) & (self._of_class[prediction] < 0)
        ids = instance_ids[void]
        truth = self._of_class[np.minimum(np.where(ids > IDS_PER_LABEL, ids // IDS_PER_LABEL, ids), IGNORE_INDEX)]
        alarm = self._category[prediction[void]]
        self.false_alarms += np.bincount(alarm[(truth >= 0) & (truth != alarm)], minlength=len(self.false_alarms))

    def _train_ids(self, ids: npt.NDArray[np.integer]) -> ByteArray:
        label_ids = ids // IDS_PER_LABEL
        known = [label.id for label in self.space.labels if label.has_instances or label.train_id == IGNORE_INDEX]
        foreign = ids[~np.isin(label_ids, known)]
        if foreign.size:
            raise ValueError(
                f"the instances {foreign.tolist()} have labels that have no instances in {self.space.name}"
            )
        return self.space.encode(label_ids.astype(np.uint8))
