"""Starting a new run from the configuration of an earlier one: ``from=<run>``.

The earlier run's values take the place of the defaults, and its groups become options that are chosen by default. So
everything on the command line changes them as it changes the defaults: a group's option, an experiment, a single value.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from hydra.core.config_store import ConfigStore

from segrnn import __version__
from segrnn.config.knobs import defaults
from segrnn.config.schema import Train
from segrnn.errors import ConfigError
from segrnn.nested import flatten

CONFIG = "config.yaml"
"""The file of a run's folder with the configuration that the run began with."""

_KEY, _OPTION, _PRIMARY = "from_run", "as_in_run", "train_from_run"

_OWN = ("run_id", "ckpt", _KEY)
"""Settings of one run, which a new run does not take over."""

_REFERENCES = {"model.encoder_name": "encoder.name", "loss.class_weights.path": "data.stats"}
"""Values that follow those of another group. A run's file has them as they were, so they are tied together again."""


def write_out(arguments: Sequence[str]) -> list[str]:
    """Return a command line with ``from_run=`` for ``from=``, which Python does not allow as the name of a field.

    Example:
        >>> write_out(["from=runs/train/first", "seed=1"])
        ['from_run=runs/train/first', 'seed=1']
    """
    return [f"{_KEY}={each[5:]}" if each.startswith("from=") else each for each in arguments]


def read_run(folder: Path) -> dict[str, Any]:
    """Return the configuration that a run began with.

    Raises:
        ConfigError: the folder is not that of a run, its file is damaged, or has keys that no longer exist.
    """
    file = folder / CONFIG
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"from={folder} is not the folder of a run: {file} can't be read ({error.strerror}). Name the folder of a "
            "training, for example from=runs/train/<run_id>"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"from={folder}: {file} can't be read as YAML: {error}") from error
    unknown = _unknown(found, Train) if isinstance(found, Mapping) else None
    if unknown is None:
        raise ConfigError(f"from={folder}: {file} must hold the keys of a training, and holds something else")
    if unknown:
        raise ConfigError(
            f"from={folder}: {file} has keys that segrnn {__version__} does not have: {', '.join(unknown)}. Copy the "
            "file to another folder, remove these keys there and name that folder, or use the version of segrnn that "
            f"{folder / 'starts.yaml'} names"
        )
    return {str(key): value for key, value in found.items()}


def _unknown(config: Mapping[str, Any], schema: type, prefix: str = "") -> list[str]:
    """Return the keys of a configuration that a class of configurations does not have."""
    known, unknown = get_type_hints(schema), []
    for key, value in config.items():
        if key not in {each.name for each in fields(schema)}:
            unknown.append(f"{prefix}{key}")
        elif is_dataclass(known[key]) and isinstance(value, Mapping):
            unknown += _unknown(value, known[key], f"{prefix}{key}.")
    return unknown


@contextmanager
def base_config(arguments: Sequence[str], config_name: str) -> Iterator[str]:
    """Store what a command line with ``from_run=`` starts from, and yield the name of the configuration to start from.

    Args:
        arguments: the arguments of the command line, written out.
        config_name: the configuration to start from without ``from_run=``.

    Raises:
        ConfigError: the folder is not that of a run, its configuration does not fit, or a checkpoint is named as well.
    """
    given = {key: value.strip("'\"") for key, equals, value in (each.partition("=") for each in arguments) if equals}
    source = given.get(_KEY, "null")
    if config_name != "train" or source in ("null", ""):
        yield config_name
        return
    if given.get("ckpt", "auto") not in ("auto", "null"):
        raise ConfigError(
            f"from={source} starts a new run with the settings of another, and ckpt={given['ckpt']} continues a run: "
            f"remove one of the two. weights={given['ckpt']} starts a new run from the weights"
        )
    config = {key: value for key, value in read_run(Path(source)).items() if key not in _OWN}
    lengths = {"max_steps", "epochs"}
    for name in lengths & {key.removeprefix("trainer.") for key in given}:  # one length replaces the other
        config["trainer"] |= dict.fromkeys(lengths - {name})
    with _stored(config):
        yield _PRIMARY


@contextmanager
def _stored(config: dict[str, Any]) -> Iterator[None]:
    """Store a configuration where Hydra finds it, with an option of each group."""
    primary = yaml.safe_load(resources.files("segrnn.conf").joinpath("train.yaml").read_text(encoding="utf-8"))
    pairs = [pair for entry in primary["defaults"] if isinstance(entry, dict) for pair in entry.items()]
    groups = [group for group, option in pairs if option and not group.startswith("override ")]
    _tie(config)
    store = ConfigStore.instance()
    store.store("train_defaults", _like(defaults(Train), config))
    for group in groups:
        # the group augment has no key of its own: it changes data, which the run's file has as it became
        store.store(_OPTION, config.get(group, {}), group=group, package=None if group in config else "data")
    entries = [{group: _OPTION} if (group := _group(entry)) in groups else entry for entry in primary["defaults"]]
    store.store(_PRIMARY, {**primary, "defaults": entries})
    try:
        yield
    finally:
        for group in groups:
            del store.repo[group][f"{_OPTION}.yaml"]
        del store.repo[f"{_PRIMARY}.yaml"]


def _group(entry: Any) -> str:
    return str(next(iter(entry))) if isinstance(entry, dict) else str(entry)


def _like(wanted: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that has the keys of another one, with that one's values for missing keys."""
    return {
        key: _like(value, config.get(key) or {}) if isinstance(value, Mapping) and value else config.get(key, value)
        for key, value in wanted.items()
        if key != "data"
    }


def _tie(config: dict[str, Any]) -> None:
    """Replace values that equal those which they followed by references."""
    flat = dict(flatten(config))
    for follower, leader in _REFERENCES.items():
        if follower in flat and flat[follower] == flat.get(leader):
            *parents, name = follower.split(".")
            node = config
            for parent in parents:
                node = node[parent]
            node[name] = f"${{{leader}}}"
