"""Dashboards, which show more of a run than its curves while it goes on."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
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
from segrnn.training.example_images import Examples
from segrnn.training.module import SegmentationModule


@dataclass(frozen=True)
class RunInfo:
    """What a dashboard receives about a run.

    Args:
        name: the run's name, for people.
        group: a name that the runs of a sweep share, and the parts of an interrupted run.
        folder: the folder of the run's files.
        step: the step that this part of the run goes on from; 0 for a new run.
        labels: the classes.
        config: the whole configuration.
        metadata: what was found out about data, network and machine, as primitives.
    """

    name: str
    group: str
    folder: Path
    step: int
    labels: LabelSpace
    config: Train
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a dashboard receives about a command other than a training.

    Args:
        job: the command, such as ``evaluate``.
        name: the result's name, for people.
        folder: the folder with the command's tables (``.csv``), pictures (``.png``) and pages (``.html``).
        config: the whole configuration, as primitives.
        numbers: single figures by name. Those that are not defined are NaN.
        checkpoints: the trained networks that the command has used.
        group: a name that belongs to several results; an empty text takes that of the network's training.
    """

    job: str
    name: str
    folder: Path
    config: Mapping[str, Any]
    numbers: Mapping[str, float]
    checkpoints: Sequence[str] = ()
    group: str = ""


class Dashboard(Logger):
    """A logger that shows more than curves.

    A dashboard must not end or hold up the run that it shows. If something goes wrong, it prints one message, once.
    """

    @contextmanager
    def watch(self, run: RunInfo) -> Iterator[None]:
        """Show a run from its beginning to its end, whether it succeeds or fails."""
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
    def show_result(self, result: Result) -> None:
        """Show the result of a command other than a training, on a page of its own."""

    @abstractmethod
    def end(self, error: BaseException | None) -> None:
        """Add files from the run's folder, and show how the run ended."""


class ShowValidations(Callback):
    """Hands each validation to the dashboards among a run's loggers.

    Args:
        examples: the callback that keeps the examples of each validation.
    """

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the validation. It is complete: a run that was told to end during one has already ended."""
        assert isinstance(pl_module, SegmentationModule)
        assert pl_module.scores is not None
        for logger in trainer.loggers:
            if isinstance(logger, Dashboard):
                logger.show_validation(trainer.global_step, pl_module.scores, self.examples.gallery)
