"""The settings in which runs, or two starts of a run, differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from segrnn.nested import flatten

_OF_A_START = (
    "ckpt",
    "from_run",
    "weights",
    "load_head",
    "run_id",
    "log_level",
    "allow",
    "data.root",
    "data.stream",
    "data.workers",
    "data.eval_batch_size",
)
_OF_A_MACHINE = ("accelerator", "devices", "num_nodes", "strategy", "micro_batch_size", "max_minutes")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the settings that differ between two starts of a run, as lines ``key: before -> now``.

    Settings of where and how the run is started are left out.
    """
    free = (*_OF_A_START, *(f"trainer.{key}" for key in _OF_A_MACHINE))
    return [
        f"{key}: {old} -> {new}"
        for key, (old, new) in varying([before, now]).items()
        if key not in free and not key.startswith(("logger.", "examples."))
    ]


def varying(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the settings in which configurations differ, with the value in each. A missing value is ``none``.

    Example:
        >>> varying([{"seed": 0, "model": {"width": 16}}, {"seed": 0, "model": {"width": 32}}])
        {'model.width': [16, 32]}
    """
    flat = [dict(flatten(config)) for config in configs]
    return {
        key: [each.get(key, "none") for each in flat]
        for key in sorted({key for each in flat for key in each})
        if any(each.get(key) != flat[0].get(key) for each in flat)
    }
