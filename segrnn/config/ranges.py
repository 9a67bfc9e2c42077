"""Ranges of the scalars."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from segrnn.errors import ConfigError

_AT_LEAST = {
    "workers": 0,
    "seed": 0,
    "batch": 1,
    "channels": 1,
    "classes": 1,
    "hidden": 1,
    "max_images": 1,
    "max_pixels": 1,
    "repeats": 1,
    "checkpoint.every_n_steps": 1,
    "data.batch_size": 1,
    "data.eval_batch_size": 1,
    "data.workers": 0,
    "examples.count": 1,
    "examples.extremes": 0,
    "study.trials": 1,
    "study.sampler.seed": 0,
    "study.sampler.startup_trials": 0,
    "study.pruner.startup_trials": 0,
    "study.pruner.warmup_steps": 0,
    "trainer.devices": -1,
    "trainer.gradient_clip_val": 0,
    "trainer.max_steps": 1,
    "trainer.max_train_images": 1,
    "trainer.max_val_images": 1,
    "trainer.micro_batch_size": 1,
    "trainer.num_nodes": 1,
    "trainer.patience": 1,
    "trainer.validate_every_n_steps": 1,
}
_LARGEST = 2**32 - 1
"""The largest whole number: what generators of random numbers take as a seed, and more steps than anybody takes."""

LENGTHS = {
    "field_size": 2,
    "size": 2,
    "data.base_size": 2,
    "data.crop": 2,
    "data.scale": 2,
    "encoder.mean": 3,
    "encoder.std": 3,
    "windows.size": 2,
    "windows.stride": 2,
}
"""How many numbers a list has."""
_POSITIVE = (
    "field_size",
    "size",
    "data.base_size",
    "data.crop",
    "data.scale",
    "data.eval_scale",
    "encoder.std",
    "trainer.max_minutes",
    "scales",
    "windows.size",
    "windows.stride",
)
_CHOICES = {"runtime": ("torch", "onnx"), "trainer.channels_last": ("auto", "true", "false")}
"""The words that a text may be."""
_SHARES = ("data.flip", "data.color", "data.max_class_share", "data.repeat_threshold", "trainer.ema_decay")


def check_ranges(config: Mapping[str, Any]) -> None:
    """Refuse numbers out of range.

    Args:
        config: plain containers, whose types are right.

    Raises:
        ConfigError: a number is out of range, with its key.
    """
    for key, value in flatten(config):
        if key in _CHOICES and str(value).lower() not in _CHOICES[key]:
            raise ConfigError(f"{key}={value} must be one of {', '.join(_CHOICES[key])}")
        numbers = value if isinstance(value, list) else [value]
        if key == "splits" and not value:
            raise ConfigError("splits=[] must name at least one split")
        if not all(isinstance(number, int | float) for number in numbers):
            continue  # not a number, or, in what evaluate lays over a checkpoint's data, not chosen or not yet typed
        if any(not isfinite(number) or (isinstance(number, int) and number > _LARGEST) for number in numbers):
            raise ConfigError(f"{key}={value} must be a number below 2^32")
        if key in _AT_LEAST and value < _AT_LEAST[key]:
            raise ConfigError(f"{key}={value} must be at least {_AT_LEAST[key]}")
        if key == "trainer.devices" and value == 0:
            raise ConfigError("trainer.devices=0 must be at least 1, or -1 for all that there are")
        if key in LENGTHS and len(numbers) != LENGTHS[key]:
            raise ConfigError(f"{key}={value} must be {LENGTHS[key]} numbers")
        if key == "scales" and not value:
            raise ConfigError("scales=[] must hold at least one factor; [1.0] looks once")
        if key in _POSITIVE and min(numbers) <= 0:
            raise ConfigError(f"{key}={value} must be above 0")
        if key in _SHARES and not 0 <= value <= 1:
            raise ConfigError(f"{key}={value} must be between 0 and 1")


def flatten(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """The values of nested mappings by their keys, joined with dots."""
    flat: list[tuple[str, Any]] = []
    for key, value in config.items():
        flat += flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return flat
