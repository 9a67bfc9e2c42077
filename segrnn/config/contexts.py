"""Contexts by the names of their files in ``conf/context/``."""

from collections.abc import Sequence

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch import nn

from segrnn.components import call
from segrnn.config.command import CONF, explain
from segrnn.errors import ConfigError
from segrnn.models.architecture import build_part


def build_contexts(
    names: Sequence[str], channels: int, hidden: int | None, allow: Sequence[str] = ()
) -> dict[str, nn.Module]:
    """Make contexts as ``context=<name>`` would, for maps of `channels`; ``none`` is the identity.

    Args:
        names: files of ``conf/context/``.
        channels: C of the map.
        hidden: replaces the files' own hidden sizes, so that like is compared with like; None keeps them.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: there is no such file, or its context can't be made.
    """
    modules: dict[str, nn.Module] = {}
    for name in names:
        config = _load(name)
        del config["stride"]  # of the network that the context would go into
        if hidden is not None and "hidden" in config:
            config["hidden"] = hidden
        path = f"contexts.{name}"
        modules[name] = call(build_part(config, path, allow), path, channels) if config["_target_"] else nn.Identity()
    return modules


def _load(name: str) -> dict[str, object]:
    GlobalHydra.instance().clear()
    with initialize_config_module(CONF, version_base="1.3"):
        try:
            config = OmegaConf.to_container(compose("train", [f"context={name}"]).context)
        except Exception as error:
            raise ConfigError(explain(error, "train")) from error
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}
