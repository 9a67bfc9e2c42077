"""Checks of arguments. Their errors name the given value and the possible ones."""

from collections.abc import Iterable
from typing import TypeVar

from torch import Tensor

from segrnn.errors import ShapeError

T = TypeVar("T")


def positive(name: str, value: int) -> int:
    """Return a value if it is a whole number of at least 1.

    Raises:
        ValueError: the value is not such a number.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def choose(name: str, value: T, possible: Iterable[T]) -> T:
    """Return a value if it is one of the possible values.

    Raises:
        ValueError: the value is not possible.
    """
    options = list(possible)
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(str, options))}; got {value!r}")
    return value


def check_map(x: Tensor, channels: int) -> None:
    """Refuse an empty map, and a map with another number of channels than a module was made for.

    Raises:
        ShapeError: the shape is not ``(B, C, H, W)`` with the expected C, and B, H and W of at least 1.
    """
    if x.ndim != 4 or x.shape[1] != channels or x.numel() == 0:
        raise ShapeError(f"a context needs a map (B, {channels}, H, W) with no side of 0, got {tuple(x.shape)}")
