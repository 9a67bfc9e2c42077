"""The one place that makes objects from a configuration."""

import importlib
import inspect
import sysconfig
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import Any

from segrnn.errors import ConfigError, SegrnnError

_SPECIAL = {"_target_", "_partial_"}

_SCALARS: dict[Any, tuple[set[type], str]] = {
    "bool": ({bool}, "true or false"),
    "int": ({int}, "a whole number"),
    "float": ({int, float}, "a number"),
    "str": ({str}, "a text"),
}
"""What a parameter with such an annotation takes, and how that is called."""


def instantiate(config: Any, path: str, allow: Sequence[str]) -> Any:
    """Instantiate a component, given as plain containers with ``_target_``, and the components among its arguments.

    ``_partial_: true`` gives what makes the component, once the arguments that lack are known. Keys are as in
    `hydra.utils.instantiate`, which is not used as trained networks are to be loaded without Hydra.

    Args:
        config: the component's configuration; a list of them; or a value, which stays as it is.
        path: its place in the whole configuration, for error messages.
        allow: import paths that may be named; one that ends in a dot stands for all below it.

    Raises:
        ConfigError: a target that is not allowed or does not exist, arguments that it refuses, or a word for a number.

    Example:
        >>> instantiate({"_target_": "torch.nn.ReLU"}, path="activation", allow=["torch.nn."])
        ReLU()
    """
    if isinstance(config, Mapping):
        if "_target_" not in config:
            return {key: instantiate(value, f"{path}.{key}", allow) for key, value in config.items()}
        target = find(config["_target_"], path, allow)
        arguments = {
            key: instantiate(value, f"{path}.{key}", allow) for key, value in config.items() if key not in _SPECIAL
        }
        _check_scalars(target, path, arguments)
        if config.get("_partial_"):
            return partial(target, **arguments)
        return call(target, f"{path} ({config['_target_']})", **arguments)
    if isinstance(config, Sequence) and not isinstance(config, str):
        return [instantiate(value, f"{path}[{i}]", allow) for i, value in enumerate(config)]
    return config


def call(component: Any, path: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call a ``_partial_`` component, with errors that name its place in the configuration.

    An exception that the user's own code raises stays as it is: its author needs the traceback.

    Raises:
        ConfigError: arguments that it refuses, or a library that it misses.
    """
    try:
        return component(*args, **kwargs)
    except SegrnnError:
        raise
    except (AssertionError, TypeError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if _comes_from_the_user(error):
            raise
        raise ConfigError(f"{path}: {error}") from error


def _comes_from_the_user(error: BaseException) -> bool:
    """Tell whether an exception, or what caused it, has passed through code that is neither ours nor installed."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if any(not _is_known(frame.f_code.co_filename) for frame in frames):
        return True
    return error.__cause__ is not None and _comes_from_the_user(error.__cause__)


def _is_known(file: str) -> bool:
    parts = Path(file).parts
    return file.startswith(("<", *_KNOWN)) or "site-packages" in parts or "dist-packages" in parts


_KNOWN = (str(Path(__file__).parent), sysconfig.get_path("stdlib"))
"""Where our own code and Python's lie."""


def check_plain(value: Any, path: str) -> None:
    """Refuse a component inside of an argument that is made of numbers and texts.

    Args:
        value: the argument.
        path: its place in the whole configuration, for error messages.

    Raises:
        ConfigError: there is a ``_target_`` in it.
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            raise ConfigError(f"{path} holds a component ({value['_target_']!r}), where a number or a text is wanted")
        for key, inner in value.items():
            check_plain(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            check_plain(inner, path)


def _check_scalars(target: Any, path: str, arguments: Mapping[str, Any]) -> None:
    """Compare scalars with the annotations of their parameters: what else would fail far away, if ever, fails here."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # not callable, or one of the functions in C whose parameters nobody knows
        return
    for name, value in arguments.items():
        if name not in parameters:
            continue  # the call says so
        parameter = parameters[name]
        # what is more than a scalar, and a None that is the default, may be meant by whoever annotates it otherwise
        judged = type(value) in {bool, int, float, str} or (value is None and parameter.default is not None)
        wanted = _SCALARS.get(getattr(parameter.annotation, "__name__", parameter.annotation))
        if judged and wanted and type(value) not in wanted[0]:
            raise ConfigError(f"{path}.{name}={value!r} must be {wanted[1]}")


def find(target: Any, path: str, allow: Sequence[str]) -> Any:
    """Import what a ``_target_`` names, if its path and the place where it was defined are both allowed.

    The second look is needed as modules also hold what they import.

    Args:
        target: an import path.
        path: its place in the whole configuration, for error messages.
        allow: import paths that may be named; one that ends in a dot stands for all below it.

    Raises:
        ConfigError: a target that is not allowed or does not exist.

    Example:
        >>> find("torch.nn.ReLU", "activation", ["torch.nn."]).__name__
        'ReLU'
    """
    allowed = ", ".join(allow)
    if not isinstance(target, str) or not matches(target, allow):
        raise ConfigError(f"{path}._target_={target!r} is not allowed; allowed are {allowed} and what allow=[...] adds")
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path}._target_={target!r} can't be imported: {error}") from error
    if target not in allow and not matches(f"{getattr(found, '__module__', '')}.", allow):
        raise ConfigError(f"{path}._target_={target!r} leads outside of what is allowed: {allowed}")
    return found


def matches(target: str, allow: Sequence[str]) -> bool:
    """Return whether an import path is in a list; an entry that ends in a dot stands for all below it."""
    return any(target.startswith(prefix) if prefix.endswith(".") else target == prefix for prefix in allow)
