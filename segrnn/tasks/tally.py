"""Everything that an evaluation counts, image by image."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from segrnn.datasets import Sample, SegmentationDataset
from segrnn.errors import DataError
from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.metrics import (
    BoundaryIoU,
    Calibration,
    ConfusionMatrix,
    ImageScores,
    InstanceHits,
    MergeableMetric,
    Metric,
    Scores,
)
from segrnn.process_group import interleave
from segrnn.reports import Gallery, name_official


class Prediction(NamedTuple):
    """The mask of a sample."""

    mask: ByteArray
    """The train ids ``(H, W)``."""
    ids: ByteArray
    """The ids of the labels ``(H, W)``."""
    confidence: npt.NDArray[np.float32] | None
    """The probability of each pixel's class ``(H, W)``, if a network made the mask."""


class Tally:
    """The counts of an evaluation, or of one process's share of it.

    Args:
        labels: the classes.
        gallery: it keeps the images that are shown.
        own: the user's metrics by their names.
        void_column: whether a prediction may be void.
    """

    def __init__(self, labels: LabelSpace, gallery: Gallery, own: Mapping[str, Metric], void_column: bool) -> None:
        self.gallery, self.own = gallery, own
        self.classes = labels.class_names
        self.confusion = ConfusionMatrix(len(self.classes), void_column)
        self.boundary, self.calibration, self.images = BoundaryIoU(len(self.classes)), Calibration(), ImageScores()
        self._instances: InstanceHits | None = InstanceHits(labels)

    def update(self, sample: Sample, prediction: Prediction, instance_ids: npt.NDArray[np.integer] | None) -> None:
        """Count an image.

        Args:
            sample: the image and its label.
            prediction: the mask to score.
            instance_ids: the ids of instances ``(H, W)`` if the dataset has them.

        Raises:
            DataError: the instance ids of the image can't be used.
        """
        mask, ids, confidence = prediction
        counts = self.confusion.update(torch.from_numpy(mask), torch.from_numpy(sample.mask))
        of_image = Scores(counts.numpy(), self.classes)
        self.images.update(sample.name, of_image)
        if self.gallery.wants(sample.name, of_image.miou):
            self.gallery.add(sample, mask, of_image.miou)
        for metric in (self.boundary, *self.own.values()):
            metric.update(mask, sample.mask)
        if confidence is not None:
            self.calibration.update(confidence, mask, sample.mask)
        if instance_ids is None:
            self._instances = None
        elif self._instances is not None:
            try:
                self._instances.update(ids, instance_ids)
            except ValueError as error:
                raise DataError(f"the instance ids of {sample.name} can't be used: {error}") from error

    @classmethod
    def merge(cls, shares: "Sequence[Tally]") -> "Tally":
        """Return the counts of all processes together, in the first share.

        Args:
            shares: the counts of each process, by its rank.
        """
        total, *others = shares
        total.images.rows = interleave([share.images.rows for share in shares])
        total.gallery.merge(share.gallery for share in others)
        for share in others:
            total.confusion.merge(share.confusion)
            total.boundary.merge(share.boundary)
            total.calibration.merge(share.calibration)
            if total._instances is not None and share._instances is not None:
                total._instances.merge(share._instances)
            for name, metric in total.own.items():
                assert isinstance(metric, MergeableMetric)  # checked when it was built
                metric.merge(share.own[name])
        if any(share._instances is None for share in shares):
            total._instances = None
        return total

    @property
    def scores(self) -> Scores:
        """The scores of all images together."""
        return Scores(self.confusion.counts.numpy(), self.classes)

    def details(self, dataset: SegmentationDataset) -> dict[str, Any]:
        """Return all other scores, as primitives.

        Args:
            dataset: what was scored. It has official scores of its own.
        """
        return {
            "boundary": self.boundary.to_dict(self.classes),
            "calibration": self.calibration.to_dict(),
            "official": dataset.official_scores(self.confusion.counts.numpy(), self._instances),
            "images": self.images.to_dict(),
            "metrics": {name: metric.to_dict(self.classes) for name, metric in self.own.items()},
        }


def name_figures(scores: Scores, details: Mapping[str, Any]) -> dict[str, float]:
    """Return the single numbers of an evaluation under readable names, NaN if one is not defined."""
    of_images = details["images"]["miou"]
    figures = {
        "mIoU": scores.miou,
        "mean Dice": scores.mean_dice,
        "pixel accuracy": scores.pixel_accuracy,
        "mean accuracy": scores.mean_accuracy,
        "kappa": scores.kappa,
        "mIoU of the median image": of_images["50%"],
        "mIoU that nine of ten images exceed": of_images["10%"],
        "boundary IoU": details["boundary"]["miou"],
        "expected calibration error": details["calibration"]["expected_calibration_error"],
        **name_official(details["official"]),
    }
    for metric, found in details["metrics"].items():
        numbers = {name: value for name, value in found.items() if value is None or isinstance(value, int | float)}
        figures |= {f"{metric}: {name}": value for name, value in numbers.items()}
    return {name: float("nan") if value is None else value for name, value in figures.items()}
