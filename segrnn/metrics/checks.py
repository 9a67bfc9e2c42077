"""Checks of the masks that an accumulator counts."""

import numpy as np
import numpy.typing as npt


def require_equal_shapes(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> None:
    """Refuse two masks of different shapes.

    Raises:
        ValueError: the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {prediction.shape} and target {target.shape} differ in shape")


def require_classes(name: str, ids: npt.NDArray[np.integer], num_classes: int) -> None:
    """Refuse ids that are not train ids of classes. Void is not a class.

    Raises:
        ValueError: an id is not a class.
    """
    if ids.size and (ids.min() < 0 or ids.max() >= num_classes):
        raise ValueError(f"{name} holds ids outside 0..{num_classes - 1}: {np.unique(ids).tolist()}")
