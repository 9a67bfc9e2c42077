"""Scores as tables in the terminal and as files."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from segrnn.atomic import write_atomically, write_text
from segrnn.datasets.statistics import ClassStatistics
from segrnn.labels import LabelSpace
from segrnn.metrics import ImageScores, Scores
from segrnn.reports.pictures import draw_confusion
from segrnn.terminal import PlainConsole
from segrnn.text import printable, spreadsheet_cell

_NAME_WIDTH = 40
"""The most characters of a class's name in the terminal. Some names of ADE20K are longer than a line."""


def print_scores(scores: Scores, labels: LabelSpace, title: str) -> None:
    """Print a table of the classes with their colours, worst first, and the means below."""
    table = Table(title=title, caption="percent; a class with - does not occur, and no mean includes it")
    table.add_column("class", max_width=_NAME_WIDTH, no_wrap=True)
    for column in ("IoU", "Dice", "precision", "accuracy", "share of pixels"):
        table.add_column(column, justify="right")
    total = max(scores.support.sum(), 1)
    for k in np.argsort(scores.iou):
        swatch = ("\u25a0 ", "rgb({},{},{})".format(*labels.classes[k].color))
        table.add_row(
            Text.assemble(swatch, printable(scores.class_names[k])),
            Text(_percent(scores.iou[k]), style=_grade(scores.iou[k])),
            _percent(scores.dice[k]),
            _percent(scores.precision[k]),
            _percent(scores.accuracy[k]),
            _percent(scores.support[k] / total),
        )
    table.add_section()
    table.add_row("mean", _percent(scores.miou), _percent(scores.mean_dice), "", _percent(scores.mean_accuracy), "")
    weighted = scores.frequency_weighted_iou, scores.pixel_accuracy
    table.add_row("weighted by frequency", _percent(weighted[0]), "", "", _percent(weighted[1]), "")
    PlainConsole().print(table)


def _grade(iou: float) -> str:
    """Return a colour for an IoU. Absent classes have no colour."""
    return "dim" if np.isnan(iou) else "red" if iou < 0.3 else "yellow" if iou < 0.6 else "green"


def print_figures(figures: Mapping[str, float]) -> None:
    """Print single scores with their names."""
    table = Table(caption="percent; - means that the value is not defined")
    table.add_column("score")
    table.add_column("", justify="right")
    for name, value in figures.items():
        table.add_row(name, _percent(value))
    PlainConsole().print(table)


def name_official(official: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores of the dataset's benchmark under readable names, without those of single classes.

    Example:
        >>> name_official({"mean_class_iou": 0.5, "mean_class_iiou": None, "per_class": {"road": {"iou": 0.5}}})
        {'official mean class IoU': 0.5, 'official mean class iIoU': nan}
    """
    return {
        f"official {name.replace('_', ' ').replace('iou', 'IoU')}": float("nan") if value is None else value
        for name, value in official.items()
        if not isinstance(value, Mapping)
    }


def print_statistics(statistics: ClassStatistics, title: str) -> None:
    """Print a table of the classes, rarest first."""
    table = Table(title=title, caption="percent; a weight is the median frequency divided by the class's frequency")
    table.add_column("class", max_width=_NAME_WIDTH, no_wrap=True)
    for column in ("share of pixels", "share of images", "weight"):
        table.add_column(column, justify="right")
    for k in np.argsort(statistics.pixels):
        table.add_row(
            statistics.class_names[k],
            _percent(statistics.frequencies[k]),
            _percent(statistics.presence[k]),
            f"{statistics.median_frequency_weights[k]:.3f}",
        )
    PlainConsole().print(table)


def write_statistics(statistics: ClassStatistics, path: Path) -> None:
    """Write statistics to a file that `segrnn.datasets.statistics.read_statistics` reads."""
    write_json(statistics.to_dict(), path)


def write_scores(scores: Scores, folder: Path, details: Mapping[str, Any] | None = None) -> None:
    """Write scores to ``metrics.json``, ``per_class.csv``, ``confusion.npz`` and ``confusion.png``.

    The npz file holds ``counts`` (rows are the truth) and ``class_names``.

    Args:
        scores: the scores to write.
        folder: the folder of the files.
        details: further keys of ``metrics.json``, as primitives.
    """
    write_json({**scores.to_dict(), **(details or {})}, folder / "metrics.json")
    write_atomically(folder / "per_class.csv", lambda path: _write_csv(scores, path))
    write_atomically(
        folder / "confusion.npz",
        lambda path: _write_confusion(scores, path),
    )
    draw_confusion(scores, folder / "confusion.png")


def write_image_scores(images: ImageScores, path: Path) -> None:
    """Write a table of the images, those with the lowest mIoU first."""

    def write(draft: Path) -> None:
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "miou", "pixel_accuracy"])
            for name, *values in sorted(images.rows, key=lambda row: (np.isnan(row.miou), row.miou)):
                writer.writerow([spreadsheet_cell(name), *("" if np.isnan(value) else value for value in values)])

    write_atomically(path, write)


def write_json(content: Any, path: Path) -> None:
    """Write primitives as JSON that people can read too."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def _write_confusion(scores: Scores, path: Path) -> None:
    with path.open("wb") as file:  # NumPy would add its own suffix to a path
        np.savez_compressed(file, counts=scores.counts, class_names=np.array(scores.class_names))


def _write_csv(scores: Scores, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "iou", "dice", "precision", "accuracy", "pixels"])
        for name, row in scores.to_dict()["per_class"].items():
            writer.writerow([spreadsheet_cell(name), *("" if value is None else value for value in row.values())])


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"
