"""Building contexts by the names of their files in ``conf/context/``."""

from collections.abc import Sequence
from importlib import resources

from hydra.core.hydra_config import HydraConfig
from torch import nn

from segrnn.config.command import CONF
from segrnn.config.composition import compose
from segrnn.config.schema import Train
from segrnn.instantiate import call
from segrnn.models.architecture import build_part


def find_contexts() -> list[str]:
    """Return the names of the files in ``conf/context/``, with ``none`` first.

    Example:
        >>> find_contexts()[0], "renet_gru" in find_contexts()
        ('none', True)
    """
    folder = resources.files(CONF) / "context"
    names = sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))
    return sorted(names, key=lambda name: name != "none")


def build_contexts(
    names: Sequence[str], channels: int, hidden: int | None, allow: Sequence[str] = ()
) -> dict[str, nn.Module]:
    """Make the contexts that ``context=<name>`` would choose. The context ``none`` becomes the identity.

    Args:
        names: the names of files in ``conf/context/``, or in the folder that ``--config-dir`` names.
        channels: the number of channels C of the map.
        hidden: replaces the hidden sizes in the files, for a fair comparison; None keeps them.
        allow: import paths of the caller's own code that may be named.

    Raises:
        ConfigError: a file does not exist, or its context can't be made.
    """
    modules: dict[str, nn.Module] = {}
    folders = _own_folders()
    for name in names:
        config = compose(Train, [*folders, f"context={name}"]).context
        del config["stride"]  # it describes the network around the context
        if hidden is not None and "hidden" in config:
            config["hidden"] = hidden
        path = f"contexts.{name}"
        modules[name] = call(build_part(config, path, allow), path, channels) if config["_target_"] else nn.Identity()
    return modules


def _own_folders() -> list[str]:
    """Return the override that repeats the ``--config-dir`` of the command that is running."""
    sources = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else []
    folders = [f"{source.schema}://{source.path}" for source in sources if source.provider == "command-line"]
    return [f"hydra.searchpath=[{','.join(map(repr, folders))}]"] if folders else []
