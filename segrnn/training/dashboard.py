"""What more than curves can be shown of a run while it goes on."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from segrnn.config.schema import Train
from segrnn.labels import LabelSpace
from segrnn.metrics import Scores
from segrnn.reports import Gallery
from segrnn.training.examples import Examples
from segrnn.training.module import SegmentationModule


@dataclass(frozen=True)
class RunInfo:
    """What a dashboard is told of a run.

    Args:
        name: of the run, for people.
        group: of the sweep that it belongs to, or of what an interrupted run is in parts.
        folder: of the run's files.
        step: that this part of the run goes on from; 0 for a new run.
        labels: the classes.
        config: the whole configuration.
        facts: what was found out about data, network and machine, as primitives.
    """

    name: str
    group: str
    folder: Path
    step: int
    labels: LabelSpace
    config: Train
    facts: dict[str, Any]


class Dashboard(Logger):
    """A logger that shows more than curves.

    Nothing about it may end, or hold up, the run that it shows: what goes wrong is said in one message, once.
    """

    @contextmanager
    def watch(self, run: RunInfo) -> Iterator[None]:
        """Show a run from its beginning to its end, whichever that is."""
        self.begin(run)
        try:
            yield
        except BaseException as error:
            self.end(error)
            raise
        self.end(None)

    @abstractmethod
    def begin(self, run: RunInfo) -> None:
        """Open a page for a run."""

    @abstractmethod
    def show_validation(self, step: int, scores: Scores, gallery: Gallery) -> None:
        """Show a validation's scores and examples."""

    @abstractmethod
    def end(self, error: BaseException | None) -> None:
        """Add what the run has left in its folder, and say how it ended."""


class ShowValidations(Callback):
    """Hands each validation to the dashboards among a run's loggers.

    Args:
        examples: has those of each validation.
    """

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Only whole validations come here: a run that was told to end in one has ended before."""
        assert isinstance(pl_module, SegmentationModule)
        assert pl_module.scores is not None
        for logger in trainer.loggers:
            if isinstance(logger, Dashboard):
                logger.show_validation(trainer.global_step, pl_module.scores, self.examples.gallery)
