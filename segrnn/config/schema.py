"""Types of the scalars. Struct mode catches a mistyped key, not a wrong type."""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segrnn.config.ranges import LENGTHS, check_ranges
from segrnn.config.wrong import explain_type
from segrnn.errors import ConfigError


@dataclass
class Trainer:
    """How long, how and on what to train."""

    max_steps: int
    validate_every_n_steps: int
    micro_batch_size: int | None
    gradient_clip_val: float
    precision: str
    ema_decay: float
    patience: int | None
    max_minutes: float | None
    sync_batch_norm: bool
    compile: bool
    channels_last: str
    checkpoint_encoder: bool
    max_train_images: int | None
    max_val_images: int | None
    profile: bool
    lr_range: bool
    accelerator: str
    devices: int
    num_nodes: int
    strategy: str


@dataclass
class Checkpoint:
    """How often to save."""

    every_n_steps: int


@dataclass
class Data:
    """What all datasets have in common."""

    name: str
    root: str
    train_split: str
    split: str
    batch_size: int
    eval_batch_size: int
    workers: int
    crop: list[int]
    scale: list[float]
    eval_scale: float
    max_class_share: float
    flip: float
    color: float
    stats: str | None
    repeat_threshold: float
    dataset: dict[str, Any]
    base_size: list[int] | None = None  # which the data of older checkpoints lack


@dataclass
class Encoder:
    """Which encoder, and how its images are normalised."""

    name: str
    mean: list[float]
    std: list[float]
    weights: dict[str, Any] | None


@dataclass
class Examples:
    """Which images are shown: `names`, or `count` of them; and how many of the worst and of the best."""

    count: int
    names: list[str]
    extremes: int


@dataclass
class Train:
    """`conf/train.yaml`. Components are checked by `build`, against their signatures."""

    data: Data
    encoder: Encoder
    trainer: Trainer
    checkpoint: Checkpoint
    examples: Examples
    seed: int
    run_id: str
    ckpt: str | None
    weights: str | None
    load_head: bool
    model: dict[str, Any]
    context: dict[str, Any]
    auxiliary: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    logger: dict[str, Any]
    keep_memory: bool
    allow: list[str]


@dataclass
class Sampler:
    """How a search chooses values."""

    seed: int
    startup_trials: int


@dataclass
class Pruner:
    """When a search ends a trial early."""

    startup_trials: int
    warmup_steps: int


@dataclass
class Study:
    """What a search varies, and how often. `segrnn.config.space` checks the space."""

    name: str
    trials: int
    space: Any
    sampler: Sampler
    pruner: Pruner


@dataclass
class Search(Train):
    """`conf/search.yaml`."""

    study: Study


@dataclass
class Windows:
    """Sliding windows; none without a size."""

    size: list[int] | None
    stride: list[int] | None
    gaussian: bool


@dataclass
class Inference:
    """How a trained network looks at images."""

    ckpt: str
    device: str
    runtime: str
    scales: list[float]
    flip: bool
    windows: Windows
    keep_memory: bool
    allow: list[str]


@dataclass
class Evaluate(Inference):
    """`conf/evaluate.yaml`."""

    data: dict[str, Any]
    examples: Examples


@dataclass
class Scored:
    """The data that `evaluate` ends up with: the checkpoint's and, over it, what the user chose."""

    data: Data


@dataclass
class Predict(Inference):
    """`conf/predict.yaml`."""

    input: str
    inside: str
    output: str
    format: str
    overwrite: bool
    max_pixels: int


@dataclass
class ExportModel:
    """`conf/export_model.yaml`."""

    ckpt: str
    format: str
    output: str
    size: list[int] | None
    normalize: bool
    argmax: bool
    int8: bool
    max_images: int | None
    data: dict[str, Any]
    allow: list[str]


@dataclass
class BenchmarkInference:
    """`conf/benchmark_inference.yaml`."""

    ckpt: str | None
    model: dict[str, Any]
    context: dict[str, Any]
    encoder: dict[str, Any]
    classes: int
    sizes: list[list[int]]
    runtimes: list[str]
    repeats: int
    seed: int
    allow: list[str]


@dataclass
class BenchmarkContexts:
    """`conf/benchmark_contexts.yaml`."""

    contexts: list[str]
    hidden: int | None
    channels: int
    batch: int
    sizes: list[list[int]]
    field_size: list[int]
    repeats: int
    device: str
    seed: int
    allow: list[str]


@dataclass
class PrepareDownload:
    """`conf/prepare_download.yaml`."""

    data: Data
    download: dict[str, Any]
    allow: list[str]


@dataclass
class PrepareExtract:
    """`conf/prepare_extract.yaml`."""

    archive: str
    output: str
    inside: str


@dataclass
class PrepareCheck:
    """`conf/prepare_check.yaml`."""

    data: Data
    splits: list[str]
    workers: int | None
    allow: list[str]


@dataclass
class PrepareStats:
    """`conf/prepare_stats.yaml`."""

    data: Data
    output: str
    workers: int | None
    allow: list[str]


@dataclass
class PreparePack:
    """`conf/prepare_pack.yaml`."""

    data: Data
    output: str
    splits: list[str]
    workers: int | None
    allow: list[str]


def schema_of(config_name: str) -> type | None:
    """Return the class of a file of ``conf/``, if it has one.

    Example:
        >>> schema_of("prepare_check").__name__
        'PrepareCheck'
    """
    return globals().get("".join(word.capitalize() for word in config_name.split("_")))


def check(config: DictConfig, schema: type) -> dict[str, Any]:
    """Check types and ranges; the configuration as plain containers, interpolations resolved.

    Args:
        config: what Hydra composed.
        schema: one of the classes above.

    Raises:
        ConfigError: a value that is missing, of the wrong type or out of range, with its key.
    """
    try:
        typed = OmegaConf.merge(OmegaConf.structured(schema), config)
        containers = OmegaConf.to_container(typed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        if "Missing mandatory value" in str(error):
            raise ConfigError(f"{key} is needed: add {key}=<value>. See --help") from error
        if explanation := explain_type(_resolved(config), schema, LENGTHS):
            raise ConfigError(explanation) from error
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from error
    assert isinstance(containers, dict)
    checked = {str(key): value for key, value in containers.items()}
    check_ranges(checked)
    return checked


def _resolved(config: DictConfig) -> dict[str, Any]:
    """Return plain containers without interpolations; nothing where an interpolation is itself what is wrong."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException:
        return {}
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
