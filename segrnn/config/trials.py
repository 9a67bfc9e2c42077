"""The configurations of a search's trials: the user's own command line, followed by each trial's values."""

from collections.abc import Iterable, Mapping
from itertools import chain

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segrnn.config.command import CONF, explain
from segrnn.config.schema import Train
from segrnn.config.search_space import Choices, Range, Value
from segrnn.config.typed import quote_texts
from segrnn.errors import ConfigError


def compose_trial(values: Mapping[str, Value]) -> DictConfig:
    """Compose the configuration of a trial. This works only while a command runs under Hydra, which has its arguments.

    The configuration is composed again and not changed in place, so that a value may choose a group's option.

    Args:
        values: the trial's values, by the keys of their overrides.

    Raises:
        ConfigError: an override is not possible.
    """
    config_name = HydraConfig.get().job.config_name
    assert config_name is not None
    try:
        config = compose(config_name, [*_given(values), *_typed(values)])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"study.space: {explain(error, config_name)}") from error
    return OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("study", "storage")])


def check_trials(space: Mapping[str, Range | Choices]) -> None:
    """Try each choice and both ends of each range, so that a typo is found at once and not after hours.

    Args:
        space: the ranges, by the keys of their overrides.

    Raises:
        ConfigError: an override is not possible, or a value has the wrong type or is out of range.
    """
    first = {key: varied.extremes[0] for key, varied in space.items()}
    others = ({**first, key: value} for key, varied in space.items() for value in varied.extremes[1:])
    for values in chain([first], others):
        Train.parse(compose_trial(values))


def train_overrides(values: Mapping[str, Value]) -> list[str]:
    """Return the arguments with which `segrnn.train` repeats a trial's run.

    Args:
        values: the trial's values, by the keys of their overrides.
    """
    return [
        *(given for given in _given(values) if not given.lstrip("+~").startswith(("study", "storage"))),
        *_typed(values),
    ]


def _typed(values: Mapping[str, Value]) -> list[str]:
    config_name = HydraConfig.get().job.config_name
    assert config_name is not None
    return quote_texts(write_overrides(values), config_name, CONF)


def write_overrides(values: Mapping[str, Value]) -> list[str]:
    """Write values as Hydra's overrides.

    Args:
        values: the values, by the keys of their overrides.

    Example:
        >>> write_overrides({"context": "none", "data.flip": 0.5, "trainer.patience": None})
        ['context=none', 'data.flip=0.5', 'trainer.patience=null']
    """
    return [f"{key}={_write(value)}" for key, value in values.items()]


def _write(value: Value) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _given(without: Iterable[str]) -> list[str]:
    """Return the user's own overrides, except those that the trial sets itself: Hydra takes no option twice."""
    keys = {key.lstrip("+") for key in without}
    return [given for given in HydraConfig.get().overrides.task if given.partition("=")[0].lstrip("+") not in keys]
