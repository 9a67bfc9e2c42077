"""The results of a search, as a table, a file and a picture."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from rich.table import Table

from segrnn.atomic import write_atomically
from segrnn.reports.figures import picture
from segrnn.terminal import PlainConsole
from segrnn.text import shorten, spreadsheet_cell

_OPTION = 24
"""The most characters of a choice that an axis has room for."""

_MARKS = {"complete": ("o", "C0"), "pruned": ("x", "C1")}


@dataclass(frozen=True)
class TrialResult:
    """The result of a search's trial that has ended.

    Args:
        number: the number of the trial, from 0.
        values: the trial's values, by the keys of their overrides.
        state: ``complete``, ``pruned`` or ``failed``.
        miou: the mIoU of the last validation; None if the trial failed.
        step: the step of the last validation.
        error: the reason of a failure.
    """

    number: int
    values: Mapping[str, Any]
    state: str
    miou: float | None
    step: int
    error: str | None = None


def rank_trials(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Sort trials: complete ones first, then pruned ones, then failed ones, and the best first within each."""
    states = ("complete", "pruned", "failed")
    return sorted(results, key=lambda result: (states.index(result.state), -(result.miou or 0), result.number))


def print_trials(results: Sequence[TrialResult], title: str) -> None:
    """Print a table of trials, best first, and below it the reasons of failures."""
    table = Table(title=title, caption="mIoU of the last validation, in percent")
    table.add_column("trial", justify="right")
    keys = list(results[0].values)
    for key in keys:
        table.add_column(key, justify="right", overflow="fold")
    for column in ("mIoU", "step", "state"):
        table.add_column(column, justify="left" if column == "state" else "right")
    for result in rank_trials(results):
        miou = "-" if result.miou is None else f"{100 * result.miou:.2f}"
        values = [_short(result.values[key]) for key in keys]
        table.add_row(str(result.number), *values, miou, str(result.step), result.state)
    console = PlainConsole()
    console.print(table)
    for result in results:
        if result.error:
            console.print(f"trial {result.number} failed: {result.error}")


def write_trials(
    results: Sequence[TrialResult], folder: Path, logarithmic: Collection[str], choices: Mapping[str, Sequence[Any]]
) -> None:
    """Write results to ``search.csv`` and ``search.png``.

    Args:
        results: the results of at least one trial.
        folder: the folder of the files.
        logarithmic: the overrides with a logarithmic axis.
        choices: for each override that is a choice, its possible values.
    """
    write_atomically(folder / "search.csv", lambda path: _write_csv(results, path))
    _draw(results, folder / "search.png", logarithmic, choices)


def _write_csv(results: Sequence[TrialResult], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", "miou", "step", *results[0].values, "error"])
        for result in results:
            values = ("null" if value is None else value for value in result.values.values())
            row = [result.number, result.state, result.miou, result.step, *values, result.error]
            writer.writerow(map(spreadsheet_cell, row))


def _draw(
    results: Sequence[TrialResult], path: Path, logarithmic: Collection[str], choices: Mapping[str, Sequence[Any]]
) -> None:
    keys = list(results[0].values)
    columns = min(3, 1 + len(keys))
    rows = -(-(1 + len(keys)) // columns)
    with picture(path, (4.5 * columns, 3.5 * rows)) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for axis in axes[1 + len(keys) :]:
            axis.set_axis_off()

        _draw_progress(axes[0], results)
        for axis, key in zip(axes[1:], keys, strict=False):
            axis.set_xlabel(key)
            axis.set_ylabel("mIoU, %")
            axis.grid(alpha=0.3)
            if key in choices:
                options = list(choices[key])
                axis.set_xticks(range(len(options)), [shorten(_short(option), _OPTION) for option in options])
                axis.set_xlim(-0.5, len(options) - 0.5)
                _scatter(axis, results, {result.number: options.index(result.values[key]) for result in results})
            else:
                if key in logarithmic:
                    axis.set_xscale("log")
                _scatter(axis, results, {result.number: result.values[key] for result in results})


def _draw_progress(axis: Axes, results: Sequence[TrialResult]) -> None:
    """Draw the mIoU of each trial, and the best so far."""
    _scatter(axis, results, {result.number: result.number for result in results})
    failed = [result.number for result in results if result.state == "failed"]
    if failed:  # drawn at the foot of the axis, because they have no mIoU
        axis.plot(failed, [0.02] * len(failed), "v", color="C3", label="failed", transform=axis.get_xaxis_transform())
    complete = [
        (result.number, 100 * result.miou)
        for result in results
        if result.state == "complete" and result.miou is not None
    ]
    best = [max(miou for _, miou in complete[: i + 1]) for i in range(len(complete))]
    axis.step([number for number, _ in complete], best, where="post", color="C0", alpha=0.5, label="best so far")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("trial")
    axis.set_ylabel("mIoU, %")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _scatter(axis: Axes, results: Sequence[TrialResult], places: Mapping[int, float]) -> None:
    for state, (marker, color) in _MARKS.items():
        shown = [result for result in results if result.state == state and result.miou is not None]
        heights = [100 * result.miou for result in shown if result.miou is not None]
        if shown:
            axis.scatter([places[each.number] for each in shown], heights, marker=marker, color=color, label=state)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "null" if value is None else str(value)
