"""The record of a run: its settings and its scores, in a small file that can be kept where the run itself can't."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from segrnn.config.composition import compose
from segrnn.config.differences import differences
from segrnn.config.parsing import plain
from segrnn.config.schema import Train
from segrnn.errors import ConfigError


@dataclass(frozen=True)
class Record:
    """What a finished run has shown."""

    arm: str
    settings: dict[str, Any]
    """The whole configuration: the same overrides mean another run when a file in ``conf/`` changes."""
    seconds: float
    scores: dict[str, Any]
    """The scores of the last validation, as in ``metrics.json``."""

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.settings["seed"])

    @property
    def miou(self) -> float:
        """The mean IoU in percent."""
        return 100 * self.scores["miou"]

    def write(self, folder: Path) -> None:
        """Write the record to its place in a folder of records."""
        folder.mkdir(parents=True, exist_ok=True)
        place(folder, self.arm, self.seed).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def compose_settings(overrides: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the whole configuration of a run, without the place of the data.

    Raises:
        SystemExit: an override is not possible.
    """
    try:
        return plain(compose(Train, [*overrides, f"seed={seed}", "data.root=."]))
    except ConfigError as error:
        raise SystemExit(f"error: {error}") from error


def place(folder: Path, arm: str, seed: int) -> Path:
    """Where the record of a run lies."""
    return folder / f"{arm}-seed{seed}.json"


def read(path: Path) -> Record:
    """Read a record. Options that are newer than it have their defaults.

    Raises:
        SystemExit: the file is not a record.
    """
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        return replace(record, settings=plain(Train.parse(OmegaConf.create(record.settings))))
    except (ValueError, TypeError, ConfigError) as error:
        raise SystemExit(f"error: {path} is not the record of a run ({error}): delete it to train the run") from error


def is_recorded(path: Path, settings: dict[str, Any]) -> bool:
    """Whether a run has left its record.

    Raises:
        SystemExit: the record is of a run with other settings, or not a record.
    """
    if not path.exists():
        return False
    if other := differences(read(path).settings, settings):
        raise SystemExit(
            f"error: {path} is of a run with other settings ({'; '.join(other[:3])}): choose another --results, or "
            "delete it to train the run"
        )
    print(f"{path} is there")
    return True
