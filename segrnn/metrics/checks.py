"""Checks of the masks that an accumulator counts."""

import numpy as np
import numpy.typing as npt

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray


def require_equal_shapes(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> None:
    """Refuse two masks of different shapes.

    Raises:
        ValueError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {prediction.shape} and target {target.shape} differ in shape")


def void_where_true(prediction: ByteArray, target: ByteArray, num_classes: int) -> ByteArray:
    """Return the prediction with void wherever the truth is void. Both masks hold train ids ``(H, W)``.

    Raises:
        ValueError: the shapes differ, or an id at a pixel where the truth is valid is not a class.

    Example:
        >>> void_where_true(np.array([[0, 7]], np.uint8), np.array([[1, 255]], np.uint8), num_classes=2)
        array([[  0, 255]], dtype=uint8)
    """
    require_equal_shapes(prediction, target)
    predicted = np.where(target == IGNORE_INDEX, IGNORE_INDEX, prediction)
    for name, mask in (("prediction", predicted), ("target", target)):
        ids = mask[mask != IGNORE_INDEX]
        if ids.size and (ids.min() < 0 or ids.max() >= num_classes):
            raise ValueError(f"{name} holds ids outside 0..{num_classes - 1}: {np.unique(ids).tolist()}")
    return predicted.astype(np.uint8)
