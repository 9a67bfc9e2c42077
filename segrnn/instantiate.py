"""Making objects from a configuration. This happens only here."""

import importlib
import inspect
import sysconfig
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import Any

from segrnn.errors import ConfigError, SegrnnError
from segrnn.text import nearest

_SPECIAL = {"_target_", "_partial_"}

_SCALARS: dict[Any, tuple[set[type], str]] = {
    "bool": ({bool}, "true or false"),
    "int": ({int}, "a whole number"),
    "float": ({int, float}, "a number"),
    "str": ({str}, "a text"),
}
"""The types that a parameter with an annotation takes, and the words for them in messages."""


def instantiate(config: Any, path: str, allow: Sequence[str]) -> Any:
    """Instantiate a component from plain containers with ``_target_``, and the components among its arguments.

    With ``_partial_: true`` the result is a callable that makes the component from the missing arguments. The keys are
    those of `hydra.utils.instantiate`. That function is not used because trained networks must load without Hydra.

    Args:
        config: the component's configuration, a list of configurations, or a value, which is returned unchanged.
        path: the configuration's place in the whole configuration, for error messages.
        allow: import paths that are allowed. A path that ends in a dot allows everything below it.

    Raises:
        ConfigError: a target is not allowed or does not exist, it refuses its arguments, or an argument has the wrong
            type, for example a word instead of a number.

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
        _check_arguments(target, f"{path} ({config['_target_']})", path, arguments)
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
        ConfigError: the component refuses its arguments, or a library that it needs is missing.
    """
    try:
        return component(*args, **kwargs)
    except SegrnnError:
        raise
    except (AssertionError, TypeError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if comes_from_the_user(error):
            raise
        raise ConfigError(f"{path}: {str(error) or type(error).__name__}") from error


def comes_from_the_user(error: BaseException) -> bool:
    """Tell whether an exception or its cause has passed through code that is neither segrnn's nor installed.

    Args:
        error: an exception that was raised.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if any(not _is_known(frame.f_code.co_filename) for frame in frames):
        return True
    return error.__cause__ is not None and comes_from_the_user(error.__cause__)


def _is_known(file: str) -> bool:
    parts = Path(file).parts
    if file.endswith(".pyx"):  # compiled modules, such as NumPy's generators, name their sources without a folder
        return True
    return file.startswith(("<", *_KNOWN)) or "site-packages" in parts or "dist-packages" in parts


_KNOWN = (str(Path(__file__).parent), sysconfig.get_path("stdlib"))
"""The folders of segrnn's own code and of Python's standard library."""


def check_plain(value: Any, path: str) -> None:
    """Refuse a component inside an argument that should hold only numbers and texts.

    Args:
        value: the argument.
        path: the argument's place in the whole configuration, for error messages.

    Raises:
        ConfigError: the argument holds a ``_target_``.
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            raise ConfigError(f"{path} holds a component ({value['_target_']!r}), but it must be a number or a text")
        for key, inner in value.items():
            check_plain(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            check_plain(inner, path)


def _check_arguments(target: Any, name: str, path: str, arguments: Mapping[str, Any]) -> None:
    """Check arguments against a signature. Otherwise a wrong one would fail much later, if ever.

    Args:
        target: the function or class to call.
        name: its name in messages.
        path: its place in the whole configuration, for messages about an argument.
        arguments: the arguments, by their names.

    Raises:
        ConfigError: an argument does not exist, or is a scalar of another type than its annotation.
    """
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # not callable, or a C function without a signature
        return
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for argument, value in arguments.items():
        if argument not in parameters:
            if takes_any:
                continue
            raise ConfigError(
                f"{name} got an unexpected keyword argument {argument!r}{nearest(argument, parameters)}; it takes "
                + (", ".join(parameters) or "none")
            )
        parameter = parameters[argument]
        # only scalars are judged: annotations are often too narrow for other values, and for a default of None
        judged = type(value) in {bool, int, float, str} or (value is None and parameter.default is not None)
        wanted = _SCALARS.get(getattr(parameter.annotation, "__name__", parameter.annotation))
        if judged and wanted and type(value) not in wanted[0]:
            raise ConfigError(f"{path}.{argument}={value!r} must be {wanted[1]}")


def find(target: Any, path: str, allow: Sequence[str]) -> Any:
    """Import the object that a ``_target_`` names, if its import path and the module that defines it are allowed.

    The module is checked too because a module also holds the objects that it imports from elsewhere.

    Args:
        target: an import path.
        path: the target's place in the whole configuration, for error messages.
        allow: import paths that are allowed. A path that ends in a dot allows everything below it.

    Raises:
        ConfigError: the target is not allowed or does not exist.

    Example:
        >>> find("torch.nn.ReLU", "activation", ["torch.nn."]).__name__
        'ReLU'
    """
    allowed = ", ".join(allow)
    if not isinstance(target, str) or not matches(target, allow):
        raise ConfigError(
            f"{path}._target_={target!r} is not allowed. Allowed are {allowed} and the prefixes in allow=[...]"
        )
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path}._target_={target!r} can't be imported: {error}") from error
    try:
        found = getattr(module, name)
    except AttributeError as error:
        hint = nearest(name, (each for each in dir(module) if not each.startswith("_")))
        raise ConfigError(f"{path}._target_={target!r} can't be imported: {error}{hint}") from error
    if target not in allow and not matches(f"{getattr(found, '__module__', '')}.", allow):
        raise ConfigError(
            f"{path}._target_={target!r} names an object that is defined outside of the allowed modules: {allowed}"
        )
    return found


def matches(target: str, allow: Sequence[str]) -> bool:
    """Return whether an import path is in a list. An entry that ends in a dot stands for everything below it."""
    return any(target.startswith(prefix) if prefix.endswith(".") else target == prefix for prefix in allow)
