"""Explain in plain words what is wrong with a value, and which value would be right."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from segrnn.config.knobs import limits_of
from segrnn.text import nearest

_WORDS = {int: "whole number", float: "number", str: "text"}


def explain_type(config: Mapping[str, Any], schema: type) -> str | None:
    """Explain which value has the wrong type for its key. Return None if there is no such value.

    Args:
        config: the configuration as plain containers.
        schema: the class that defines keys and types.
    """
    return _explain_group("", config, schema)


def _explain_group(key: str, value: Any, schema: type) -> str | None:
    known = get_type_hints(schema)
    prefix = f"{key}." if key else ""
    if not isinstance(value, Mapping):
        return f"{key}={_show(value)} must be a group of keys: {', '.join(prefix + name for name in known)}"
    for name in value:
        if name not in known:
            hint = nearest(f"{prefix}{name}", [f"{prefix}{each}" for each in known])
            return f"there is no {prefix + str(name)!r}{hint}; {key or 'the configuration'} has {', '.join(known)}"
    for field in fields(schema):
        if field.name not in value:
            continue
        own, annotation = prefix + field.name, known[field.name]
        if is_dataclass(annotation):
            assert isinstance(annotation, type)
            message = _explain_group(own, value[field.name], annotation)
        elif not _fits(value[field.name], annotation):
            message = _explain_value(own, value[field.name], annotation, limits_of(field).length)
        else:
            continue
        if message:
            return message
    return None


def _fits(value: Any, annotation: Any) -> bool:
    if annotation is Any:
        return True
    if get_origin(annotation) in (Union, UnionType):
        return any(_fits(value, option) for option in get_args(annotation))
    if get_origin(annotation) is list:
        (of,) = get_args(annotation)
        return isinstance(value, list) and all(_fits(each, of) for each in value)
    if get_origin(annotation) is dict:
        return isinstance(value, Mapping)
    if annotation is type(None):
        return value is None
    if annotation is bool:
        return isinstance(value, bool | int) or str(value).lower() in _BOOLEANS
    if annotation is str:
        return isinstance(value, str | int | float)
    if annotation is int:
        return isinstance(value, int | str) and not isinstance(value, bool) and _reads(value, int)
    return not isinstance(value, bool) and _reads(value, float)


def _reads(value: Any, number: type[int] | type[float]) -> bool:
    try:
        number(value)
    except (TypeError, ValueError):
        return False
    return True


_BOOLEANS = {"true", "false", "yes", "no", "on", "off", "y", "n", "1", "0"}
"""The words that are read as true or false."""


def _explain_value(key: str, value: Any, annotation: Any, length: int | None) -> str:
    """Say which type a key takes. If a list was given as a single value, show how to write it."""
    wanted = f"{key}={_show(value)} must be {_describe(annotation, length)}"
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    of = next((get_args(option)[0] for option in options if get_origin(option) is list), None)
    if of is None:
        whole = isinstance(value, float) and value.is_integer() and int in options
        return f"{wanted}: {key}={int(value)}" if whole else wanted
    one = value if value is not None and not isinstance(value, list) and _fits(value, of) else None
    if one is not None:
        return f"{wanted}: {key}=[{','.join([_show(one)] * (length or 1))}]"
    if isinstance(value, list) and get_origin(of) is list and all(_fits(each, get_args(of)[0]) for each in value):
        return f"{wanted}: {key}=[{_show(value)}]"
    return f"{wanted}, in brackets and separated by commas"


def _describe(annotation: Any, length: int | None = None) -> str:
    if get_origin(annotation) in (Union, UnionType):
        options = [option for option in get_args(annotation) if option is not type(None)]
        return f"{_describe(options[0], length)} or null"
    if get_origin(annotation) is list:
        (of,) = get_args(annotation)
        count = f"{length} " if length else ""
        things = "groups of keys" if get_origin(of) is dict else "lists"
        return f"a list of {count}{_WORDS[of] + 's' if of in _WORDS else things}"
    if annotation is bool:
        return "true or false"
    return f"a {_WORDS[annotation]}" if annotation in _WORDS else "a group of keys"


def _show(value: Any) -> str:
    """Write a value as it would be on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(_show(each) for each in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_show(each)}' for key, each in value.items())}}}"
    return str(value)
