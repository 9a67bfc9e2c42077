"""Turning the configuration that Hydra composed into an object with checked values."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segrnn.config.knobs import check_limits
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
        check_limits(parsed)
        return parsed


def plain(config: Config) -> dict[str, Any]:
    """Return a configuration as dictionaries, lists and scalars, as files hold it."""
    return asdict(config)


def _resolved(config: DictConfig) -> dict[str, Any]:
    """Return plain containers with all interpolations resolved, or an empty one if an interpolation is wrong."""
    try:
        container = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException:
        return {}
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
