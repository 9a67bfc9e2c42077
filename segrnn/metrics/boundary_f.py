"""How well contours of classes agree, as precision and recall of their pixels."""

from itertools import product
from math import fsum, hypot
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray
from segrnn.metrics.arithmetic import FloatArray, divide, known, mean
from segrnn.metrics.checks import void_where_true


class BoundaryF:
    """Boundary F score of each class, also called BF score: the mean over the images of 2 p r / (p + r).

    It is defined in Csurka et al. 2013, *What is a good evaluation measure for semantic segmentation?* (BMVC). In one
    image, the precision p is the share of a class's predicted contour that is at most ``d`` pixels away from its true
    contour. The recall r is the share of the true contour that is so close to the predicted one. Distances are
    Euclidean. An image counts for a class if one of the two masks has a contour of it, and with 0 if only one has.

    The paper has no void. Here, the prediction is set to void wherever the truth is void, and an edge to void is no
    contour, because nobody knows what is behind it. The image's border is none, either.

    Args:
        num_classes: K, the number of classes.
        tolerance: d as a share of the image's diagonal. d is at least one pixel.

    Raises:
        ValueError: the tolerance is not positive.

    Example:
        >>> target = np.zeros((8, 8), np.uint8)
        >>> target[:, 4:] = 1
        >>> prediction = np.zeros((8, 8), np.uint8)
        >>> prediction[:, 5:] = 1
        >>> boundary = BoundaryF(2)
        >>> boundary.update(prediction, target)
        >>> boundary.f.tolist()  # the contours are one pixel apart
        [1.0, 1.0]
    """

    def __init__(self, num_classes: int, tolerance: float = 0.0075) -> None:
        if not tolerance > 0:
            raise ValueError(f"tolerance must be positive, got {tolerance}")
        self.num_classes = num_classes
        self.tolerance = tolerance
        self._of_images: list[FloatArray] = []

    def update(self, prediction: ByteArray, target: ByteArray) -> None:
        """Score the contours of one image. Both masks hold train ids ``(H, W)``, uint8.

        Raises:
            ValueError: the shapes differ, or an id at a valid pixel is not a class.
        """
        predicted = void_where_true(prediction, target, self.num_classes)
        true_contours, predicted_contours = _contours(target), _contours(predicted)
        distance = max(1.0, self.tolerance * hypot(*target.shape))
        precision = self._share_near(predicted_contours, true_contours, distance)
        recall = self._share_near(true_contours, predicted_contours, distance)
        scores = divide(2 * precision * recall, precision + recall)
        one_sided = np.isnan(precision) != np.isnan(recall)
        self._of_images.append(np.where(one_sided | (precision + recall == 0), 0, scores))

    def merge(self, other: "BoundaryF") -> None:
        """Add the scores of another process."""
        self._of_images += other._of_images

    def _share_near(self, contours: ByteArray, others: ByteArray, distance: float) -> FloatArray:
        """Return the share of each class's contour that has a pixel of the other contour within the distance, (K,)."""
        reach = int(distance)
        padded = np.pad(others, reach, constant_values=IGNORE_INDEX)
        y, x = np.nonzero(contours != IGNORE_INDEX)
        ids = contours[y, x]
        near = np.zeros(len(ids), bool)
        for dy, dx in product(range(-reach, reach + 1), repeat=2):
            if hypot(dy, dx) <= distance:
                near |= padded[y + reach + dy, x + reach + dx] == ids
        return divide(self._per_class(ids[near]), self._per_class(ids))

    def _per_class(self, ids: ByteArray) -> npt.NDArray[np.int64]:
        return np.bincount(ids, minlength=self.num_classes)

    @property
    def f(self) -> FloatArray:
        """Return the score of each class, ``(K,)``; NaN for a class that has no contour in any image."""
        columns = np.array(self._of_images).reshape(-1, self.num_classes).T
        present = [column[~np.isnan(column)] for column in columns]
        return divide(np.array([fsum(scores) for scores in present]), np.array([len(scores) for scores in present]))

    def to_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return all scores as primitives. NaN becomes None, because JSON has no NaN."""
        per_class = {name: known(f) for name, f in zip(class_names, self.f, strict=True)}
        return {"mean F": known(mean(self.f)), "per_class": per_class}


def _contours(mask: ByteArray) -> ByteArray:
    """Return the class of each pixel that has a neighbour of another class to its side, above or below; void elsewhere.

    Void is not another class.
    """
    on_contour = np.zeros(mask.shape, bool)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        edge = (mask[before] != mask[after]) & (mask[before] != IGNORE_INDEX) & (mask[after] != IGNORE_INDEX)
        on_contour[before] |= edge
        on_contour[after] |= edge
    return np.where(on_contour, mask, IGNORE_INDEX).astype(np.uint8)
