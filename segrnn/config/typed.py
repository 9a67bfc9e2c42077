"""Quotes around texts on the command line, so that Hydra reads each text exactly as it was typed.

Hydra reads ``2026_11_27`` and ``12e3`` as numbers, and can't read ``(1)`` or ``é``. Here, such a value gets quotes if
the type of its key is text.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import resources
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra import compose, initialize_config_module
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.data_knobs import Data
from segrnn.config.defaults import store_defaults
from segrnn.config.encoder_knobs import Encoder
from segrnn.config.knobs import limits_of
from segrnn.config.schemas import schema_of
from segrnn.config.shortcuts import shortcuts
from segrnn.errors import ConfigError
from segrnn.instantiate import find


class _Kind(Enum):
    """The kind of value that a key takes, as far as it matters for quotes."""

    TEXT = "text"
    TEXT_OR_NULL = "text or null"
    TEXTS = "list of texts"
    TEXT_OR_TEXTS = "text or list of texts"
    ARGUMENT = "argument of a component"
    OTHER = "other"


_GROUPS: dict[str, type] = {"data": Data, "encoder": Encoder, "hydra": HydraConf}
"""The types of groups that the configuration of some commands leaves open."""


def quote_texts(arguments: Sequence[str], config_name: str, conf: str) -> list[str]:
    """Put quotes around texts on a command line that Hydra would read as something else.

    Args:
        arguments: the arguments of the command line.
        config_name: the configuration's file that the command starts from.
        conf: the module of the configurations.
    """
    sweeps = bool({"-m", "--multirun"} & set(arguments))
    groups = {path.name for path in resources.files(conf).iterdir() if path.is_dir()}
    kinds = [_kind_of(argument, config_name, groups) for argument in arguments]
    quoted = [_quote(argument, kind, sweeps) for argument, kind in zip(arguments, kinds, strict=True)]
    # arguments of unknown type are left out here: if Hydra read a text as a number, its key would seem to take numbers
    is_open = [
        kind is _Kind.ARGUMENT and _quote_argument(argument, sweeps) != argument
        for argument, kind in zip(arguments, kinds, strict=True)
    ]
    if any(is_open):
        rest = [each for each, left_out in zip(quoted, is_open, strict=True) if not left_out and each[:1] != "-"]
        config = _compose(rest, config_name, conf)
        for index, argument in enumerate(arguments):
            if is_open[index] and _takes_text(argument, config):
                quoted[index] = _quote_argument(argument, sweeps)
    return quoted


def _kind_of(argument: str, config_name: str, groups: Collection[str]) -> _Kind:
    key, equals, value = argument.partition("=")
    annotation: Any = schema_of(config_name)
    parts = key.lstrip("+").split(".")
    if equals and key in groups and not value.startswith("["):
        return _Kind.TEXT  # an option's name
    if not equals or key.startswith(("-", "~")) or annotation is None:
        return _Kind.OTHER
    for depth, part in enumerate(parts):
        if depth == 1 and not is_dataclass(annotation):
            annotation = _GROUPS.get(parts[0], annotation)
        if get_origin(annotation) is dict:
            return _Kind.ARGUMENT
        if not is_dataclass(annotation):
            return _Kind.OTHER
        if any(each.name == part and limits_of(each).or_one for each in fields(annotation)):
            return _Kind.TEXT_OR_TEXTS
        known = get_type_hints(annotation) | ({"hydra": HydraConf} if depth == 0 else {})
        annotation = known.get(part)
    return _kind_of_annotation(annotation)


def _kind_of_annotation(annotation: Any) -> _Kind:
    options = set(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else {annotation}
    if options == {str}:
        return _Kind.TEXT
    if options == {str, type(None)}:
        return _Kind.TEXT_OR_NULL
    return (
        _Kind.TEXTS if any(get_origin(each) is list and get_args(each) == (str,) for each in options) else _Kind.OTHER
    )


def _quote(argument: str, kind: _Kind, sweeps: bool) -> str:
    key, _, value = argument.partition("=")
    if kind is _Kind.TEXT_OR_TEXTS:
        kind = _Kind.TEXTS if value[:1] == "[" and value[-1:] == "]" else _Kind.TEXT_OR_NULL
    if kind in (_Kind.TEXT, _Kind.TEXT_OR_NULL):
        texts = value.split(",") if sweeps and not re.search(r"""[][(){}"']""", value) else [value]
        return f"{key}={','.join(_quote_text(text, kind is _Kind.TEXT_OR_NULL) for text in texts)}"
    if kind is _Kind.TEXTS and (inside := re.fullmatch(r"""\[([^][(){}"']+)\]""", value)):
        return f"{key}=[{','.join(_quote_text(text.strip(), nullable=False) for text in inside[1].split(','))}]"
    return argument


def _quote_argument(argument: str, sweeps: bool) -> str:
    value = argument.partition("=")[2]
    if value[:1] == "{":
        return argument
    return _quote(argument, _Kind.TEXTS if value[:1] == "[" else _Kind.TEXT_OR_NULL, sweeps)


def _quote_text(text: str, nullable: bool) -> str:
    """Put quotes around a text if Hydra would read it as something else. The user's own quotes and ``${...}`` stay.

    Example:
        >>> [_quote_text(text, nullable=True) for text in ("run", "12e3", "a (1)", "'12e3'", "null", "${run_id}/a")]
        ['run', "'12e3'", "'a (1)'", "'12e3'", 'null', '${run_id}/a']
    """
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if is_quoted or "${" in text or (nullable and text.lower() == "null"):
        return text
    try:
        read = OverridesParser.create().parse_override(f"key={text}").value()
    except HydraException:
        read = None
    return text if isinstance(read, str) and read == text else QuotedString(text, Quote.single).with_quotes()


def _takes_text(argument: str, config: Mapping[str, Any]) -> bool:
    """Tell whether an argument of a component is a text.

    Its present value decides. If there is none, the component's signature decides.
    """
    *parents, name = argument.partition("=")[0].lstrip("+").split(".")
    component: Any = config
    for parent in parents:
        component = component.get(parent) if isinstance(component, Mapping) else None
    if not isinstance(component, Mapping):
        return False
    present = component.get(name)
    if isinstance(present, str) or (isinstance(present, list) and present):
        return isinstance(present, str) or all(isinstance(each, str) for each in present)
    return present in (None, []) and _is_text(_annotation(component.get("_target_"), name, config.get("allow", [])))


def _annotation(target: Any, name: str, allow: Sequence[str]) -> str:
    """Return the annotation of a component's parameter as it is written, or an empty text if there is none."""
    try:
        parameter = inspect.signature(find(target, name, (*_SIGNED, *allow))).parameters[name]
    except (ConfigError, KeyError, TypeError, ValueError):
        return ""
    return inspect.formatannotation(parameter.annotation) if parameter.annotation is not parameter.empty else ""


def _is_text(annotation: str) -> bool:
    words = set(re.findall(r"\w+", annotation))
    return "str" in words and not words & {"int", "float", "bool", "complex"}


def _compose(overrides: list[str], config_name: str, conf: str) -> dict[str, Any]:
    """Return the configuration without resolving interpolations.

    It is empty if an override is wrong. The error is reported later.
    """
    try:
        with _hydra(conf, config_name):
            config = OmegaConf.to_container(compose(config_name, overrides))
    except (HydraException, OmegaConfBaseException):
        return {}
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


_SIGNED = ("segrnn.", "segmentation_models_pytorch.", *ALLOW_LIST)
"""The import prefixes of components that may be imported to read their signatures."""


@contextmanager
def _hydra(conf: str, config_name: str) -> Iterator[None]:
    if GlobalHydra.instance().is_initialized():  # a command is running: a search composes its trials
        yield
        return
    store_defaults(config_name)
    with shortcuts(), initialize_config_module(conf, version_base="1.3"):
        yield
