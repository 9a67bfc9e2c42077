"""The arithmetic that turns counts into scores."""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def divide(numerator: IntArray | FloatArray, denominator: IntArray | FloatArray) -> FloatArray:
    """Divide element by element, with NaN where the denominator is 0.

    Example:
        >>> divide(np.array([1, 0]), np.array([4, 0])).tolist()
        [0.25, nan]
    """
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def mean(values: FloatArray) -> float:
    """Return the mean of the values that are not NaN; NaN if all are NaN."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def known(value: float) -> float | None:
    """Return a value, or None for NaN, because JSON has no NaN."""
    return None if np.isnan(value) else float(value)
