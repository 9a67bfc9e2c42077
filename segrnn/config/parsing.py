"""Turning the configuration that Hydra composed into an object with checked values."""

import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segrnn.config.knobs import check_limits, limits_of
from segrnn.config.wrong import explain_type
from segrnn.errors import ConfigError


@dataclass(kw_only=True)
class Config:
    """A command's whole configuration."""

    @classmethod
    def parse(cls, config: DictConfig) -> Self:
        """Check types and ranges, and resolve interpolations.

        Args:
            config: the configuration that Hydra composed.

        Raises:
            ConfigError: a value is missing, of the wrong type or out of range. The message names its key.
        """
        try:
            config = _with_lists(config, cls)
            parsed = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(cls), config))
        except OmegaConfBaseException as error:
            key = getattr(error, "full_key", None)
            if "missing mandatory value" in str(error).lower():
                raise ConfigError(f"{key} needs a value: add {key}=<value>. See --help") from error
            if nowhere := re.match(r"Interpolation key '([^']*)' not found", str(error)):
                raise ConfigError(f"{key} refers to {nowhere[1]!r}, and the configuration has no such key") from error
            if explanation := explain_type(_resolved(config), cls):
                raise ConfigError(explanation) from error
            raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from error
        assert isinstance(parsed, cls)
        if explanation := explain_type(plain(parsed), cls):  # OmegaConf does not look at lists inside of lists
            raise ConfigError(explanation)
        check_limits(parsed)
        return parsed


def plain(config: Config) -> dict[str, Any]:
    """Return a configuration as dictionaries, lists and scalars, as files hold it."""
    return asdict(config)


def _with_lists(config: DictConfig, schema: type[Config]) -> DictConfig:
    """Return the configuration with a list in place of each single value that may stand for one."""
    names = [each.name for each in fields(schema) if limits_of(each).or_one]
    single = {name: config.get(name) for name in names if not isinstance(config.get(name), ListConfig | None)}
    # an empty text stands for nothing
    merged = OmegaConf.merge(config, {name: [] if value == "" else [value] for name, value in single.items()})
    assert isinstance(merged, DictConfig)
    return merged


def _resolved(config: DictConfig) -> dict[str, Any]:
    """Return plain containers with all interpolations resolved, or an empty one if an interpolation is wrong."""
    try:
        container = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException:
        return {}
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
