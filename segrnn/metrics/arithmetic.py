"""The last line of every score: where counts become fractions."""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def divide(numerator: IntArray | FloatArray, denominator: IntArray | FloatArray) -> FloatArray:
    """Element by element; NaN where there is nothing to divide by.

    Example:
        >>> divide(np.array([1, 0]), np.array([4, 0])).tolist()
        [0.25, nan]
    """
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def mean(values: FloatArray) -> float:
    """The mean of what is not NaN; NaN when nothing is."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def known(value: float) -> float | None:
    """None for NaN, as JSON has no NaN."""
    return None if np.isnan(value) else float(value)
