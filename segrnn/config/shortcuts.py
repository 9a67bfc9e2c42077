"""Shortcuts through Hydra, which does much work for a configuration whose result nobody looks at.

They change only the time that a command takes to start. They reach into Hydra; a version of it that has other insides
does all of its work.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pkgutil import resolve_name
from typing import Any

from omegaconf import DictConfig, OmegaConf


@contextmanager
def shortcuts(arguments: Sequence[str] = ()) -> Iterator[None]:
    """Let Hydra skip work without an effect for as long as the context is open.

    - Hydra copies its whole store of configurations for each one that it composes, and for each group that ``--help``
      lists. The store copies what is read from it anyway.
    - Hydra collects all choices beside each file of a list of defaults, even if no default refers to a choice.
    - Hydra composes a configuration to read ``hydra.mode``, and then composes it again. No file of ``conf/`` has this
      key, so nothing sets it unless the command line names other files or this key.

    Args:
        arguments: the arguments that Hydra reads from the command line.
    """
    with ExitStack() as stack:
        stack.enter_context(_replaced("hydra.core.config_store:ConfigStore.__deepcopy__", lambda _: _itself))
        stack.enter_context(_replaced("hydra._internal.defaults_list:_create_interpolation_map", _collect_if_needed))
        if not any(re.match(_OTHER_MODE, argument) for argument in arguments):
            stack.enter_context(_replaced("hydra._internal.hydra:Hydra.get_mode", lambda _: _no_mode))
        yield


_OTHER_MODE = r"-(?!m$|-multirun$)|[+~]*hydra(=|/|\.mode|\.searchpath)"
"""Arguments that can set ``hydra.mode``, or that are options which Hydra answers itself."""


@contextmanager
def _replaced(place: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace what Hydra has at a place by what `make` makes of it. Where there is no such place, change nothing."""
    path, _, name = re.sub(r":(?=\w+$)", ".", place).rpartition(".")
    try:
        owner = resolve_name(path)
    except (ImportError, AttributeError):
        yield
        return
    own = vars(owner).get(name)
    setattr(owner, name, make(own))
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _itself(store: Any, _: Any) -> Any:
    return store


def _collect_if_needed(collect: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    def collect_if_needed(overrides: Any, defaults: Sequence[Any], *rest: Any) -> DictConfig:
        if any(default.is_interpolation() for default in defaults):
            return collect(overrides, defaults, *rest)
        return OmegaConf.create()

    return collect_if_needed


def _no_mode(*_: Any, **__: Any) -> None:
    return None
