"""Composing a command's configuration without a command line, for notebooks, scripts and tests."""

import re
from collections.abc import Sequence
from typing import TypeVar

import hydra
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from segrnn.config.command import CONF, explain
from segrnn.config.defaults import store_defaults
from segrnn.config.from_run import base_config, write_out
from segrnn.config.parsing import Config
from segrnn.config.shortcuts import shortcuts
from segrnn.config.typed import quote_texts
from segrnn.errors import ConfigError

C = TypeVar("C", bound=Config)


def compose(command: type[C], overrides: Sequence[str] = ()) -> C:
    """Compose the configuration that a command would get.

    Args:
        command: the class of the command's configuration.
        overrides: the overrides, as on the command line.

    Raises:
        ConfigError: an override is not possible, or a value is wrong.

    Example:
        >>> from segrnn.config.schema import Train
        >>> compose(Train, ["context=none", "trainer.max_steps=10"]).trainer.max_steps
        10
    """
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", command.__name__).lower()
    GlobalHydra.instance().clear()
    store_defaults(name)
    arguments = write_out(overrides) if name == "train" else list(overrides)
    try:
        with shortcuts(), base_config(arguments, name) as base, initialize_config_module(CONF, version_base="1.3"):
            return command.parse(hydra.compose(base, quote_texts(arguments, name, CONF)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, name)) from error
