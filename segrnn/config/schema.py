"""Types and ranges of the run's scalars. Struct mode catches a mistyped key, not a wrong type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segrnn.errors import ConfigError


@dataclass
class Trainer:
    """How long and on what to train."""

    max_steps: int
    validate_every_n_steps: int
    accelerator: str
    devices: int
    precision: str
    gradient_clip_val: float


@dataclass
class Checkpoint:
    """How often to save."""

    every_n_steps: int


@dataclass
class Data:
    """What all datasets have in common."""

    name: str
    root: str
    split: str
    batch_size: int
    eval_batch_size: int
    workers: int
    crop: list[int]
    scale: list[float]
    eval_scale: float
    flip: float
    color: float
    dataset: dict[str, Any]


@dataclass
class Encoder:
    """Which encoder, and how its images are normalised."""

    name: str
    mean: list[float]
    std: list[float]
    weights: dict[str, Any] | None


@dataclass
class Run:
    """The whole configuration of a training run. Components are checked by `build` against their signatures."""

    data: Data
    encoder: Encoder
    trainer: Trainer
    checkpoint: Checkpoint
    seed: int
    model: dict[str, Any]
    context: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    logger: dict[str, Any]
    allow: list[str] = field(default_factory=list)


_AT_LEAST = {
    "seed": 0,
    "checkpoint.every_n_steps": 1,
    "context.stride": 1,
    "data.batch_size": 1,
    "data.eval_batch_size": 1,
    "data.workers": 0,
    "trainer.devices": 1,
    "trainer.gradient_clip_val": 0,
    "trainer.max_steps": 1,
    "trainer.validate_every_n_steps": 1,
}


def to_containers(config: DictConfig) -> dict[str, Any]:
    """Check types and ranges; the whole configuration as plain containers, interpolations resolved.

    Raises:
        ConfigError: a value of the wrong type or out of range, with its key.
    """
    try:
        typed = OmegaConf.merge(OmegaConf.structured(Run), config)
        containers = OmegaConf.to_container(typed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", "") or ""
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from error
    assert isinstance(containers, dict)
    checked = {str(key): value for key, value in containers.items()}
    for key, least in _AT_LEAST.items():
        if (value := _at(checked, key)) < least:
            raise ConfigError(f"{key}={value} must be at least {least}")
    for key in ("data.crop", "data.scale"):
        if len(value := _at(checked, key)) != 2 or min(value) <= 0:
            raise ConfigError(f"{key}={value} must be two numbers above 0")
    if (scale := _at(checked, "data.eval_scale")) <= 0:
        raise ConfigError(f"data.eval_scale={scale} must be above 0")
    return checked


def _at(containers: Mapping[str, Any], key: str) -> Any:
    value: Any = containers
    for part in key.split("."):
        value = value[part]
    return value
