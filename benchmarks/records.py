"""The record of a run: its settings and its scores, in a small file that can be kept where the run itself can't."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """What a finished run has shown."""

    arm: str
    seed: int
    overrides: Sequence[str]
    """The settings, without the place of the data."""
    seconds: float
    scores: dict[str, Any]
    """The scores of the last validation, as in ``metrics.json``."""

    @property
    def miou(self) -> float:
        """The mean IoU in percent."""
        return 100 * self.scores["miou"]

    def write(self, folder: Path) -> None:
        """Write the record to its place in a folder of records."""
        folder.mkdir(parents=True, exist_ok=True)
        place(folder, self.arm, self.seed).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def place(folder: Path, arm: str, seed: int) -> Path:
    """Where the record of a run lies."""
    return folder / f"{arm}-seed{seed}.json"


def read(path: Path) -> Record:
    """Read a record.

    Raises:
        SystemExit: the file is not a record.
    """
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise SystemExit(f"error: {path} is not the record of a run ({error}): delete it to train the run") from error
