"""Checks of arguments that say what was found and what is possible."""

from collections.abc import Iterable
from typing import TypeVar

from torch import Tensor

from segrnn.errors import ShapeError

T = TypeVar("T")


def positive(name: str, value: int) -> int:
    """The value, if it is a whole number of at least 1.

    Raises:
        ValueError: it isn't.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def choose(name: str, value: T, possible: Iterable[T]) -> T:
    """The value, if it is among those possible.

    Raises:
        ValueError: it isn't.
    """
    options = list(possible)
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(str, options))}; got {value!r}")
    return value


def check_map(x: Tensor, channels: int) -> None:
    """Refuse a map that a module was not made for, or an empty one.

    Raises:
        ShapeError: not ``(B, C, H, W)`` with the wanted C and at least one image of at least one position.
    """
    if x.ndim != 4 or x.shape[1] != channels or x.numel() == 0:
        raise ShapeError(f"expected a map (B, {channels}, H, W), each at least 1, got {tuple(x.shape)}")
