"""Nested mappings, whose values are named by keys that are joined with dots."""

from collections.abc import Mapping
from typing import Any


def flatten(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the values of nested mappings by their keys, joined with dots.

    Example:
        >>> flatten({"model": {"width": 16}, "seed": 0})
        [('model.width', 16), ('seed', 0)]
    """
    flat: list[tuple[str, Any]] = []
    for key, value in nested.items():
        flat += flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return flat
