"""Intersection over union of the classes' boundaries only."""

from math import hypot
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray
from segrnn.metrics.arithmetic import FloatArray, divide, known, mean
from segrnn.metrics.checks import void_where_true


class BoundaryIoU:
    """Boundary IoU of each class.

    It is defined in Cheng et al. 2021, *Boundary IoU: Improving Object-Centric Image Segmentation Evaluation* (arXiv
    2103.16562)::

        |(G_d & G) & (P_d & P)| / |(G_d & G) | (P_d & P)|

    G and P are the class's true and predicted pixels. G_d and P_d are the pixels within d pixels of a mask's contour.
    As in the authors' code, d is 2 % of the image's diagonal, the distance is the larger of the distances along the two
    axes, and the image's border counts as contour. Intersections and unions are summed in int64 over the images before
    they are divided, as for IoU.

    The paper has no void. Here, the prediction is set to void wherever the truth is void. So void is in no count, and
    an edge to void is contour in both masks. Pixels that only the prediction calls void belong to no class.

    Attributes:
        intersection: int64 ``(K,)``, the pixels in both boundaries of each class.
        union: int64 ``(K,)``, the pixels in at least one of the two boundaries of each class.

    Args:
        num_classes: K, the number of classes.
        dilation: d as a share of the image's diagonal. d is at least one pixel.

    Raises:
        ValueError: the dilation is not positive.

    Example:
        >>> target = np.zeros((8, 8), np.uint8)
        >>> target[:, 4:] = 1
        >>> prediction = np.zeros((8, 8), np.uint8)
        >>> prediction[:, 5:] = 1
        >>> boundary = BoundaryIoU(2)
        >>> boundary.update(prediction, target)
        >>> boundary.iou.round(3).tolist()  # IoU itself is 4 / 5 and 3 / 4
        [0.5, 0.462]
    """

    def __init__(self, num_classes: int, dilation: float = 0.02) -> None:
        if not dilation > 0:
            raise ValueError(f"dilation must be positive, got {dilation}")
        self.num_classes = num_classes
        self.dilation = dilation
        self.intersection = np.zeros(num_classes, np.int64)
        self.union = np.zeros(num_classes, np.int64)

    def update(self, prediction: ByteArray, target: ByteArray) -> None:
        """Count the boundaries of one image. Both masks hold train ids ``(H, W)``, uint8.

        Raises:
            ValueError: the shapes differ, or an id at a valid pixel is not a class.
        """
        predicted = void_where_true(prediction, target, self.num_classes)
        distance = max(1, round(self.dilation * hypot(*target.shape)))
        in_target = _near_contour(target, distance) & (target != IGNORE_INDEX)
        in_prediction = _near_contour(predicted, distance) & (predicted != IGNORE_INDEX)
        in_both = in_target & in_prediction & (target == predicted)
        both = self._per_class(target[in_both])
        self.intersection += both
        self.union += self._per_class(target[in_target]) + self._per_class(predicted[in_prediction]) - both

    def merge(self, other: "BoundaryIoU") -> None:
        """Add the counts of other images."""
        self.intersection += other.intersection
        self.union += other.union

    def _per_class(self, ids: ByteArray) -> npt.NDArray[np.int64]:
        return np.bincount(ids, minlength=self.num_classes)

    @property
    def iou(self) -> FloatArray:
        """Return the boundary IoU of each class, ``(K,)``; NaN for a class that never occurs."""
        return divide(self.intersection, self.union)

    @property
    def miou(self) -> float:
        """Return the mean of `iou` over the classes that occur."""
        return mean(self.iou)

    def to_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return all scores as primitives. NaN becomes None, because JSON has no NaN."""
        per_class = {name: known(iou) for name, iou in zip(class_names, self.iou, strict=True)}
        return {"miou": known(self.miou), "per_class": per_class}


def _near_contour(mask: ByteArray, distance: int) -> npt.NDArray[np.bool_]:
    """Return where a pixel is within a distance of its own class's contour. At void pixels, the value has no meaning.

    All classes are computed at once. If a class's mask is eroded d times by 3 x 3, a pixel stays if the window of side
    2 d + 1 around it holds this class only. The other pixels are the boundary: their windows hold two labels.
    """
    size = 2 * distance + 1
    # the outside of the image is void, which is another label for the pixel of a class
    lowest = ndimage.minimum_filter(mask, size, mode="constant", cval=IGNORE_INDEX)
    highest = ndimage.maximum_filter(mask, size, mode="constant", cval=IGNORE_INDEX)
    return np.asarray(lowest != highest)
