"""Contexts by the names of their files in ``conf/context/``."""

from collections.abc import Sequence

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch import nn

from segrnn.components import build, call
from segrnn.config.command import CONF, explain
from segrnn.errors import ConfigError
from segrnn.models.architecture import MODEL_TARGETS


def build_contexts(names: Sequence[str], channels: int, hidden: int | None) -> dict[str, nn.Module]:
    """Make contexts as ``context=<name>`` would, for maps of `channels`; ``none`` is the identity.

    Args:
        names: files of ``conf/context/``.
        channels: C of the map.
        hidden: replaces the files' own hidden sizes, so that like is compared with like; None keeps them.

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
        modules[name] = (
            call(build(config, path, MODEL_TARGETS), path, channels) if config["_target_"] else nn.Identity()
        )
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
