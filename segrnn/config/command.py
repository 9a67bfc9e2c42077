"""Hydra's command line, and errors without tracebacks, for all commands."""

import io
import locale
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module, resources
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from segrnn.config.defaults import store_defaults
from segrnn.config.from_run import base_config, write_out
from segrnn.config.run import find_misplaced, named_run
from segrnn.config.schemas import schema_of
from segrnn.config.shortcuts import shortcuts
from segrnn.config.typed import quote_texts
from segrnn.errors import ConfigError, SegrnnError
from segrnn.memory import keep_freed_memory
from segrnn.processes import rank, world_size
from segrnn.termination import Terminated, tidy
from segrnn.text import nearest, tell
from segrnn.trouble import explain_trouble
from segrnn.versions import describe_versions

CONF = "segrnn.conf"


def run_command(task: str, config_name: str, parallel: bool = False) -> None:
    """Run a command under Hydra. Errors that a user can mend are printed in a few lines on stderr, with exit code 2.

    The task is imported only after its configuration was checked, so a wrong key is reported before torch is loaded.

    Args:
        task: the import path of a function, ``module:name``. It takes the parsed configuration and the run's folder.
        config_name: the file of ``conf/`` to start from.
        parallel: whether several processes can share the task. If not, and a launcher has started several, the first
            process does the task and the others end.
    """
    if rank() > 0 and not parallel:
        tell(f"process {rank()} of {world_size()} has nothing to do here: the first process does the work", error=True)
        return
    _use_utf8()
    _answer_version()
    arguments = _read_arguments(config_name)
    GlobalHydra.instance().clear()
    store_defaults(config_name)
    sys.argv[1:] = quote_texts(arguments, config_name, CONF)
    schema = schema_of(config_name)
    assert schema is not None
    debug = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra itself prints errors and exits with code 1

    def guarded(cfg: DictConfig) -> Any:
        if not debug:
            del os.environ["HYDRA_FULL_ERROR"]  # processes that the task starts should not inherit it
        try:
            config = schema.parse(cfg)
            if getattr(config, "keep_memory", False):  # before torch allocates; commands with little work lack this key
                keep_freed_memory()
            module, _, name = task.partition(":")
            return getattr(import_module(module), name)(config, Path(HydraConfig.get().runtime.output_dir))
        except SegrnnError as error:  # caught here because Hydra would print all overrides above it
            if debug:
                raise
            _stop(_own_words(error), error.exit_code)
        except Exception as error:
            trouble = explain_trouble(error)
            if debug or trouble is None:
                raise
            _discard(error)
            _stop(trouble)
        finally:
            os.environ["HYDRA_FULL_ERROR"] = "1"

    try:
        with tidy(), named_run(), shortcuts(sys.argv[1:]), base_config(arguments, config_name) as name:
            hydra.main(version_base="1.3", config_path=f"pkg://{CONF}", config_name=name)(guarded)()
    except (ConfigError, HydraException, OmegaConfBaseException, yaml.MarkedYAMLError) as error:
        if debug:
            raise
        _stop(str(error) if isinstance(error, ConfigError) else explain(error, config_name))  # from= names no run
    except OSError as error:  # for example, Hydra could not make the run's folder
        if debug or error.filename is None:
            raise
        _stop(f"{error.filename}: {error.strerror}")
    except UnicodeEncodeError as error:
        if debug:
            raise
        _stop(f"{error.object!r} can't be the name of a file: {error.reason}")
    except Terminated as terminated:
        tell(terminated, error=True)
        sys.exit(143)
    except KeyboardInterrupt:
        tell("interrupted", error=True)
        sys.exit(130)
    finally:
        if not debug:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def _read_arguments(config_name: str) -> list[str]:
    """Return the arguments as Hydra can read them. Stop the command at a mistake that Hydra would not find."""
    # a shell leaves the tilde of data.root=~/camvid as it is
    arguments = [re.sub(r"=~(?=/|$)", f"={Path.home()}", argument) for argument in sys.argv[1:]]
    arguments = write_out(arguments) if config_name in ("train", "search") else arguments
    if fault := find_misplaced(arguments) or _find_list_of_options(arguments):
        _stop(fault)
    return arguments


def _answer_version() -> None:
    """Print versions after ``--version``. Hydra would print its own."""
    if "--version" in sys.argv[1:]:
        tell(describe_versions())
        sys.exit(0)


def _use_utf8() -> None:
    """Make this process and its libraries write text files as UTF-8 in any locale.

    Characters that a terminal can't show are printed as escapes.
    """
    if locale.getencoding().lower() != "utf-8":
        for name in ("C.UTF-8", "en_US.UTF-8", "UTF-8"):
            with suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                break
        os.environ["PYTHONUTF8"] = "1"  # for the processes that this one starts
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run_subcommand(command: str, tasks: Mapping[str, str]) -> None:
    """Run the task that the command line's first word names, by `run_command`.

    Args:
        command: the module's name below ``segrnn``. A task starts from ``conf/<command>_<name>.yaml``.
        tasks: the import paths of the tasks, by their names.
    """
    _answer_version()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    options = ", ".join(tasks)
    if name in ("-h", "--help"):
        tell(f"usage: python -m segrnn.{command} NAME [key=value ...]\nNAME is one of: {options}. Each has --help")
        sys.exit(0)
    if name not in tasks:
        _stop(f"{command} has no command {name!r}{nearest(name, tasks)}; it has {options}")
    del sys.argv[1]
    run_command(tasks[name], f"{command}_{name}")


def _stop(message: str, exit_code: int = 2) -> NoReturn:
    who = f"[process {rank()}] " if rank() else ""
    tell(f"{who}error: {message}", error=True)
    sys.exit(exit_code)


def _discard(error: Exception) -> None:
    """Free the objects that an error's traceback holds.

    Complaints from finalizers are silenced: a half-built data loader would print one.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook


def _own_words(error: SegrnnError) -> str:
    """Return an error's message, without the traceback that a loading process puts around it."""
    return str(error).rpartition(f"{type(error).__module__}.{type(error).__name__}: ")[2].strip()


def _find_list_of_options(arguments: Sequence[str]) -> str | None:
    """Return what is wrong with an override that gives a group a list. Hydra would merge the options of a list."""
    for argument in arguments:
        group, _, value = argument.partition("=")
        if group in _groups() and value.startswith("["):
            return (
                f"{argument}: the group {group} takes one of its options, not a list. To run several options in turn, "
                f"write --multirun {group}=<option>,<option>"
            )
    return None


def _explain_yaml(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    place = f"{mark.name}, line {mark.line + 1}" if mark else "a configuration file"
    key = re.match(r"found duplicate key (.+)", error.problem or "")
    if key:
        return f"{place}: the key {key[1]} stands there a second time. Remove one of the two"
    return f"{place}: the file can't be read as YAML: {error.problem}"


def explain(error: Exception, config_name: str) -> str:
    """Explain in plain words what is wrong with an override, with the nearest possible word."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        return _explain_yaml(error)
    if group := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return (
            f"the group {group[1]} has no option {group[2]!r}{nearest(group[2], options)}; it has {', '.join(options)}"
        )
    if key := re.search(r"Could not override '([^'@]+)", text):
        return _explain_key(key[1], config_name)
    if isinstance(error, OverrideParseException):
        return f"{error.override} can't be read: put quotes around a value with special characters, 'key=\"value\"'"
    if override := re.search(r"Error merging override (.*)", text):
        return (
            f"{override[1]} has another form than what it replaces: only a list can replace a list, and only keys can "
            "replace keys"
        )
    if file := re.search(r"In '([^']+)': ConfigTypeError.*\nCannot merge DictConfig with ListConfig", text):
        return f"the file {file[1]}.yaml gives a list where the configuration has keys: write 'key: value' lines"
    missing = re.search(r"Missing mandatory value: (\S+)", str(cause))
    if missing:
        return f"{missing[1]} needs a value: add {missing[1]}=<value>. See --help"
    if isinstance(cause, InterpolationResolutionError):
        return f"{cause.full_key}: {text.splitlines()[0]}; write '\\${{...}}' if these characters are part of a text"
    return text


def _explain_key(key: str, config_name: str) -> str:
    chosen = [argument for argument in sys.argv[1:] if argument.partition("=")[0] in _groups() and "," not in argument]
    GlobalHydra.instance().clear()
    with shortcuts(), initialize_config_module(CONF, version_base="1.3"):
        config = compose(config_name, [argument for argument in chosen if argument.partition("=")[0] != key])
    keys = list(_keys(OmegaConf.to_container(config)))
    parent, _, _ = key.rpartition(".")
    siblings = [k for k in keys if k.rpartition(".")[0] == parent] or [k for k in keys if "." not in k]
    return (
        f"there is no {key!r} in the configuration{nearest(key, keys)}; {parent or 'it'} has {', '.join(siblings)}.\n"
        f"Write +{key}=<value> to add a key that the chosen options don't list but accept"
    )


def _groups() -> set[str]:
    return {path.name for path in resources.files(CONF).iterdir() if path.is_dir()}


def _keys(config: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            if not str(key).startswith("_"):
                yield f"{prefix}{key}"
                yield from _keys(value, f"{prefix}{key}.")
