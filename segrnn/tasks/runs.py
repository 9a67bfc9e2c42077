"""List the trainings below a folder: ``python -m segrnn.runs``. It needs no torch, and takes no time to start."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from rich import box
from rich.table import Table

from segrnn.config.describe_network import describe_network
from segrnn.config.schema import Runs
from segrnn.errors import ConfigError
from segrnn.run_folder import FoundRuns, RunFolder, find_runs
from segrnn.terminal import PlainConsole
from segrnn.text import counted, tell

_NAMED = 5
"""The most folders without a training that are named."""


def list_runs(config: Runs, run_dir: Path) -> list[RunFolder]:
    """Print a table of all trainings below a folder, newest first, and name the folders that are something else.

    Args:
        config: the configuration of ``conf/runs.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Raises:
        ConfigError: there is no such folder.
    """
    root = Path(config.folder)
    if not root.is_dir():
        raise ConfigError(
            f"folder={root} is not a folder: give the folder of your runs. python -m segrnn.train writes to runs"
        )
    found = find_runs(root)
    try:
        _tell(found, root)
    except BrokenPipeError:  # a program such as head has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return found.runs


def _tell(found: FoundRuns, root: Path) -> None:
    if found.runs:
        _print(found.runs, root)
    else:
        tell(f"there is no training in {root}: python -m segrnn.train begins one")
    if found.broken:
        tell("\n".join([f"{counted(len(found.broken), 'folder')} can't be read:", *found.broken.values()]))
    if found.runs and found.others:
        named = ", ".join(map(str, found.others[:_NAMED]))
        more = f" and {len(found.others) - _NAMED} more" if len(found.others) > _NAMED else ""
        tell(f"{counted(len(found.others), 'folder')} without a training: {named}{more}")


def _print(runs: Sequence[RunFolder], root: Path) -> None:
    title, caption = f"{counted(len(runs), 'training')} in {root}", "last and best: mIoU of validations, in percent"
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold")
    table.add_column("state", no_wrap=True)
    for column in ("steps", "last", "best"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("network", overflow="fold")
    table.add_column("began", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    for run in runs:
        last, best = run.curves.last("val/miou"), run.curves.best_miou
        table.add_row(
            run.path.relative_to(root).as_posix() if run.path != root else run.path.name,
            run.state,
            write_steps(run),
            write_share(last),
            write_share(best[1] if best else None),
            _short_network(run),
            write_time(run.record.began),
            write_duration(run.took),
        )
    PlainConsole().print(table)


def _short_network(run: RunFolder) -> str:
    """Return the names of the model and the context, and the context's cell, if it has one."""
    parts = describe_network(run.config)
    return " ".join(
        [f"{parts['model']},", parts["context"].partition(" (")[0], str(run.config["context"].get("cell", ""))]
    )


def write_steps(run: RunFolder) -> str:
    """Return the steps done and planned."""
    return f"{run.curves.steps}/{run.record.steps}"


def write_network(run: RunFolder) -> str:
    """Return the names of the model, the encoder and the context."""
    parts = describe_network(run.config)
    return f"{parts['model']} on {parts['encoder']}, context {parts['context']}"


def write_time(time: str) -> str:
    """Return a time in ISO 8601 as people write it, in the time zone of this machine.

    Example:
        >>> write_time("2026-11-29T12:45:59")
        '2026-11-29 12:45'
    """
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"


def write_duration(duration: timedelta) -> str:
    """Return a duration in its two largest units.

    Example:
        >>> [write_duration(timedelta(seconds=seconds)) for seconds in (7, 75, 3720, 90000)]
        ['7 s', '1 min 15 s', '1 h 2 min', '1 d 1 h']
    """
    seconds = int(duration.total_seconds())
    for unit, name, smaller, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // smaller} {lesser}"
    return f"{seconds} s"


def write_share(share: float | None) -> str:
    """Return a share in percent, or a dash if it is not known."""
    return "-" if share is None else f"{100 * share:.2f}"
