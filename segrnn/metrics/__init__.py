"""Scores from integer counts. The counts are summed first, and divided once, at the end."""

from segrnn.metrics.ade20k_scores import ADE20KScores
from segrnn.metrics.boundary import BoundaryIoU
from segrnn.metrics.boundary_f import BoundaryF
from segrnn.metrics.calibration import Calibration
from segrnn.metrics.cityscapes_scores import CityscapesScores
from segrnn.metrics.confusion import ConfusionMatrix
from segrnn.metrics.images import ImageScores
from segrnn.metrics.instances import InstanceHits
from segrnn.metrics.metric import MergeableMetric, Metric
from segrnn.metrics.scores import Confusion, Scores

__all__ = [
    "ADE20KScores",
    "BoundaryF",
    "BoundaryIoU",
    "Calibration",
    "CityscapesScores",
    "Confusion",
    "ConfusionMatrix",
    "ImageScores",
    "InstanceHits",
    "MergeableMetric",
    "Metric",
    "Scores",
]
