"""Networks that are used together must agree in what their images and their masks mean."""

from collections.abc import Mapping, Sequence
from typing import Any

from segrnn.errors import CheckpointError
from segrnn.inference.info import ModelInfo
from segrnn.nested import flatten

_MOST = 10
"""The most differences that a message lists."""


def facts_of_use(info: ModelInfo) -> dict[str, Any]:
    """Return what the images and the masks of a network mean: its preprocessing and its classes, by names."""
    classes = {f"class {label.train_id}": f"{label.name} (id {label.id})" for label in info.labels.classes}
    return {**info.preprocessing.to_dict(), **classes}


def facts_of_weights(info: ModelInfo) -> dict[str, Any]:
    """Return what the weights of a network mean: its architecture and `facts_of_use`, by names."""
    return {**dict(flatten(info.architecture)), **facts_of_use(info)}


def require_agreement(purpose: str, names: Sequence[str], facts: Sequence[Mapping[str, Any]]) -> None:
    """Refuse networks that differ from the first of them.

    Args:
        purpose: what needs networks that agree, and in what, as the beginning of a sentence.
        names: the names of the networks' files.
        facts: the facts about each network, by names.

    Raises:
        CheckpointError: a network differs. The message names the two files and lists what differs.

    Example:
        >>> require_agreement("a pair needs one scale", ["a.ckpt", "b.ckpt"], [{"scale": 1.0}, {"scale": 0.5}])
        Traceback (most recent call last):
        segrnn.errors.CheckpointError: a pair needs one scale, but a.ckpt and b.ckpt differ:
          scale: 1.0 in a.ckpt, 0.5 in b.ckpt
        leave b.ckpt out, or train it with the settings of a.ckpt
    """
    for name, other in zip(names[1:], facts[1:], strict=True):
        first = facts[0]
        lines = [
            f"  {key}: {first.get(key, 'none')} in {names[0]}, {other.get(key, 'none')} in {name}"
            for key in dict.fromkeys([*first, *other])
            if first.get(key) != other.get(key)
        ]
        if len(lines) > _MOST:
            lines[_MOST:] = [f"  and {len(lines) - _MOST} more"]
        if lines:
            fix = f"leave {name} out, or train it with the settings of {names[0]}"
            raise CheckpointError("\n".join([f"{purpose}, but {names[0]} and {name} differ:", *lines, fix]))
