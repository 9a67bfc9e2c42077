"""The one place that makes objects from a configuration."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.utils import instantiate

from segrnn.errors import ConfigError, SegrnnError

MODEL_TARGETS = (
    "segrnn.models.",
    "segrnn.context.",
    "segmentation_models_pytorch.DeepLabV3Plus",
    "segmentation_models_pytorch.FPN",
    "segmentation_models_pytorch.PSPNet",
    "segmentation_models_pytorch.Segformer",
    "segmentation_models_pytorch.UPerNet",
    "segmentation_models_pytorch.Unet",
)
"""All that a checkpoint's configuration may name: a file from elsewhere must not choose what code runs."""

TARGETS = (
    *MODEL_TARGETS,
    "segrnn.datasets.",
    "segrnn.losses.",
    "segrnn.training.",
    "torch.nn.",
    "torch.optim.",
    "pytorch_lightning.loggers.",
)
"""What the user's own configuration may name, besides the prefixes in ``allow``."""


def build(config: Mapping[str, Any], path: str, allow: Sequence[str] = TARGETS) -> Any:
    """Instantiate a component, given as plain containers with ``_target_``.

    Args:
        config: the component's configuration.
        path: its place in the whole configuration, for error messages.
        allow: import paths that may be named; one that ends in a dot stands for all below it.

    Raises:
        ConfigError: a target that is not allowed or does not exist, or arguments that it refuses.

    Example:
        >>> build({"_target_": "torch.nn.ReLU"}, path="activation")
        ReLU()
    """
    _check_targets(config, path, allow)
    try:
        # Hydra wraps what a constructor raises; the reason that helps is the first cause
        return instantiate(config, _convert_="all")
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, SegrnnError):
            raise cause from None
        if isinstance(cause, TypeError | ValueError | KeyError | RuntimeError):
            raise ConfigError(f"{path} ({config.get('_target_')}): {cause}") from error
        raise


def call(component: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    """Call a ``_partial_`` component, with errors that name its place in the configuration.

    Raises:
        ConfigError: arguments that it refuses, or a library that it misses.
    """
    try:
        return component(*args, **kwargs)
    except (TypeError, ValueError, KeyError, ImportError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _check_targets(config: Any, path: str, allow: Sequence[str]) -> None:
    if isinstance(config, Mapping):
        if "_target_" in config:
            _check_target(config["_target_"], path, allow)
        for key, value in config.items():
            _check_targets(value, f"{path}.{key}", allow)
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for i, value in enumerate(config):
            _check_targets(value, f"{path}[{i}]", allow)


def _check_target(target: Any, path: str, allow: Sequence[str]) -> None:
    """Compare the path, and then where the object it leads to was defined: modules also hold what they import."""
    allowed = ", ".join(allow)
    if not isinstance(target, str) or not _matches(target, allow):
        raise ConfigError(f"{path}._target_={target!r} is not allowed; allowed are {allowed} and what allow=[...] adds")
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path}._target_={target!r} can't be imported: {error}") from error
    if target not in allow and not _matches(f"{getattr(found, '__module__', '')}.", allow):
        raise ConfigError(f"{path}._target_={target!r} leads outside of what is allowed: {allowed}")


def _matches(target: str, allow: Sequence[str]) -> bool:
    return any(target.startswith(prefix) if prefix.endswith(".") else target == prefix for prefix in allow)
