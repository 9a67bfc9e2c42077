"""The settings in which two starts of a run differ."""

from collections.abc import Mapping
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
    "data.workers",
    "data.eval_batch_size",
)
_OF_A_MACHINE = ("accelerator", "devices", "num_nodes", "strategy", "micro_batch_size", "max_minutes")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the settings that differ between two starts of a run, as lines ``key: before -> now``.

    Settings of where and how the run is started are left out.
    """
    free = (*_OF_A_START, *(f"trainer.{key}" for key in _OF_A_MACHINE))
    old, new = dict(flatten(before)), dict(flatten(now))
    return [
        f"{key}: {old.get(key, 'none')} -> {new.get(key, 'none')}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key not in free and not key.startswith(("logger.", "examples."))
    ]
