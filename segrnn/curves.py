"""The curves of a training, read from the CSV files that its starts have written."""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segrnn.errors import DataError

_FILE = Path("csv") / "metrics.csv"
_RATE = "lr-"
"""The beginning of the names of learning rates. Each group of parameters has its own."""

_IOU = "val/iou/"


@dataclass(frozen=True)
class Curves:
    """The curves of a training.

    Example:
        >>> curves = Curves({"val/miou": {50: 0.5, 100: 0.4}, "train/loss": {110: 1.5}})
        >>> curves.steps, curves.last("val/miou"), curves.best_miou
        (110, 0.4, (50, 0.5))
    """

    values: Mapping[str, Mapping[int, float]]
    """The finite values of each curve by its name, and of each by the number of steps done. ``lr`` is the largest
    learning rate of a step."""

    @property
    def steps(self) -> int:
        """Return the number of steps done, as far as the curves tell."""
        return max((max(curve) for curve in self.values.values() if curve), default=0)

    @property
    def best_miou(self) -> tuple[int, float] | None:
        """Return the step and the value of the highest validation mIoU, or None before the first validation."""
        curve = self.values.get("val/miou", {})
        return max(curve.items(), key=lambda point: point[1]) if curve else None

    def last(self, name: str) -> float | None:
        """Return a value of the last validation, or None if it has no such value."""
        validations = self.values.get("val/miou", {})
        return self.values.get(name, {}).get(max(validations)) if validations else None

    @property
    def last_ious(self) -> dict[str, float]:
        """Return the IoU of the classes in the last validation, by their printable names, without absent classes."""
        last = {name: self.last(name) for name in self.values if name.startswith(_IOU)}
        return {name.removeprefix(_IOU): value for name, value in last.items() if value is not None}


def read_curves(folder: Path) -> Curves:
    """Read the curves of a run's folder. It is empty before the first file is written.

    If the run was continued, each start has its own file. A later start replaces the curves from its first step on.

    Raises:
        DataError: a file can't be read.
    """
    curves: dict[str, dict[int, float]] = {}
    for path in _parts(folder):
        first = int(found[1]) if (found := re.match(r"from_step_(\d+)", path.parent.parent.name)) else 0
        curves = {
            name: {step: value for step, value in curve.items() if step <= first} for name, curve in curves.items()
        }
        try:
            text = path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]  # a run that is running may be writing the last line
            _add(csv.DictReader(whole.splitlines()), curves)
        except (OSError, ValueError, csv.Error) as error:
            raise DataError(f"{path} can't be read: {error}") from error
    return Curves(curves)


def last_change(folder: Path) -> float | None:
    """Return the time at which the curves of a run were last written, in seconds since 1970, or None without curves."""
    parts = _parts(folder)
    return parts[-1].stat().st_mtime if parts else None


def _parts(folder: Path) -> list[Path]:
    """Return the files of all starts in the order of time."""
    paths = [folder / _FILE, *folder.glob(f"from_step_*/{_FILE.as_posix()}")]
    return sorted((path for path in paths if path.is_file()), key=lambda path: (path.stat().st_mtime, path))


def _add(rows: Iterable[Mapping[Any, Any]], curves: dict[str, dict[int, float]]) -> None:
    """Add rows to curves. A cell that is not a finite number is passed over."""
    for row in rows:
        step = _number(row.get("step"))
        if step is None:
            continue
        done = int(step) + 1  # the file counts steps from 0
        for name, cell in row.items():
            value = _number(cell)
            if value is None or name in (None, "step", "epoch"):
                continue
            if name.startswith(_RATE):
                rates = curves.setdefault("lr", {})
                rates[done] = max(value, rates.get(done, 0.0))
            else:
                curves.setdefault(name, {})[done] = value


def _number(cell: object) -> float | None:
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
