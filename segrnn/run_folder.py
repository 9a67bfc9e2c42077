"""What the folder of a training tells: its record, its configuration, its curves and whether it still runs."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from segrnn.atomic import write_text
from segrnn.claims import is_claimed
from segrnn.curves import Curves, last_change, read_curves
from segrnn.errors import DataError

_RECORD, _CONFIG = "run.json", "config.yaml"
_MARKS = (_RECORD, _CONFIG, "checkpoints", "csv")
"""A folder with one of these is the folder of a training, or what is left of one."""


@dataclass(frozen=True)
class RunRecord:
    """The facts about a training that its other files do not tell. They are in ``run.json``."""

    began: str
    """The time of the first start, in the format of ISO 8601."""
    finished: str | None
    """The time at which the last step was done and scored, or None."""
    steps: int
    """The number of steps of the whole training."""
    classes: dict[str, str]
    """The colours of the classes by their names, in the order of their train ids, as ``#rrggbb``."""
    parameters: int
    """The number of parameters of the network."""
    context_parameters: int
    """The number of parameters of the context alone."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training."""

    path: Path
    """The folder."""
    record: RunRecord
    """The facts in ``run.json``."""
    config: Mapping[str, Any]
    """The configuration of the first start."""
    curves: Curves
    """The curves so far."""
    state: str
    """One of running, finished, failed and interrupted."""

    @property
    def took(self) -> timedelta:
        """Return the time from the first start to the end, to the last sign of life or, if the run is running, to now.

        Pauses between two starts are part of it.
        """
        began = datetime.fromisoformat(self.record.began)
        if self.state == "running":
            return datetime.now().astimezone() - began
        if self.record.finished:
            return datetime.fromisoformat(self.record.finished) - began
        last = last_change(self.path)
        return max(timedelta(0), datetime.fromtimestamp(last).astimezone() - began) if last else timedelta(0)


@dataclass(frozen=True)
class FoundRuns:
    """The result of a search for runs below a folder."""

    runs: list[RunFolder]
    """The runs, newest first."""
    broken: dict[Path, str]
    """The folders of runs that can't be read, and the reasons."""
    others: list[Path]
    """The topmost folders in which no run lies."""


def begin_record(folder: Path, steps: int, classes: Mapping[str, str], parameters: int, in_context: int) -> None:
    """Write the record of a training that starts, or that goes on. The time of its first start is kept.

    Args:
        folder: the run's folder.
        steps: the number of steps of the whole training.
        classes: the colours of the classes by their names, as ``#rrggbb``.
        parameters: the number of parameters of the network.
        in_context: the number of parameters of the context.

    Raises:
        OutputError: the file can't be written.
    """
    try:
        began = _read_record(folder).began
    except DataError:
        began = _now()
    _write_record(folder, RunRecord(began, None, steps, dict(classes), parameters, in_context))


def finish_record(folder: Path) -> None:
    """Note in the record of a training that it is finished.

    Raises:
        DataError: the record is missing or broken.
        OutputError: the file can't be written.
    """
    _write_record(folder, replace(_read_record(folder), finished=_now()))


def is_run(folder: Path) -> bool:
    """Tell whether a folder looks like that of a training, also if it is broken."""
    return any((folder / mark).exists() for mark in _MARKS)


def read_run(folder: Path) -> RunFolder:
    """Read the folder of a training. Nothing in it is changed.

    Raises:
        DataError: the folder is not that of a training, or a file in it is broken.

    Example:
        >>> read_run(Path("/no such folder"))
        Traceback (most recent call last):
        segrnn.errors.DataError: /no such folder does not exist
    """
    if not folder.is_dir():
        raise DataError(f"{folder} {'is a file, not a folder' if folder.exists() else 'does not exist'}")
    record, config, curves = _read_record(folder), _read_config(folder), read_curves(folder)
    return RunFolder(folder, record, config, curves, _state_of(folder, record, curves))


def find_runs(root: Path) -> FoundRuns:
    """Find all trainings below a folder.

    Args:
        root: the folder. Hidden folders in it are passed over.
    """
    found = FoundRuns([], {}, [])
    if not _visit(root, found):
        found.others.append(root)
    found.runs.sort(key=lambda run: datetime.fromisoformat(run.record.began), reverse=True)
    return found


def _visit(folder: Path, found: FoundRuns) -> bool:
    """Add the runs in a folder, and tell whether there are any."""
    if is_run(folder):
        try:
            found.runs.append(read_run(folder))
        except DataError as error:
            found.broken[folder] = str(error)
        return True
    try:
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in entries if each.is_dir(follow_symlinks=False) and each.name[0] != ".")
    except OSError as error:
        found.broken[folder] = f"{folder}: {error.strerror}"
        return True
    visited = {folder / name: _visit(folder / name, found) for name in names}
    if any(visited.values()):
        found.others.extend(child for child, has_runs in visited.items() if not has_runs)
    return any(visited.values())


def _state_of(folder: Path, record: RunRecord, curves: Curves) -> str:
    if is_claimed(folder):
        return "running"
    if record.finished:
        return "finished"
    # a run that has gone on since has made more steps
    return "failed" if _failed_step(folder) > curves.steps else "interrupted"


def _failed_step(folder: Path) -> int:
    try:
        return int(json.loads((folder / "failed_step.json").read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _read_record(folder: Path) -> RunRecord:
    path = folder / _RECORD
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        record = RunRecord(**read)
        ends = [record.began, *([record.finished] if record.finished else [])]
        whole = (record.steps, record.parameters, record.context_parameters)
        if any(datetime.fromisoformat(end).tzinfo is None for end in ends) or not all(type(n) is int for n in whole):
            raise ValueError("a time without a zone, or a number that is not whole")
        if not all(re.fullmatch("#[0-9a-f]{6}", color) for color in record.classes.values()):
            raise ValueError("a colour that is not #rrggbb")
    except FileNotFoundError as error:
        raise DataError(f"{folder} is not the folder of a training: it has no {_RECORD}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} can't be read ({error}): the folder is damaged, or another program wrote it"
        ) from error
    return record


def _write_record(folder: Path, record: RunRecord) -> None:
    write_text(folder / _RECORD, json.dumps(asdict(record), indent=2) + "\n")


def _read_config(folder: Path) -> Mapping[str, Any]:
    path = folder / _CONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{folder} is not the folder of a training: it has no {_CONFIG}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read: the folder is damaged, or another program wrote it") from error
    parts = [config.get(part) for part in ("model", "context")] if isinstance(config, dict) else [None]
    if not all(isinstance(part, dict) and "_target_" in part for part in parts):
        raise DataError(f"{path} is not the configuration of a training: it has no model or no context")
    return config


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
