"""The progress bar of a run, and the validation at its end."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segrnn.text import LOG
from segrnn.training.module import SegmentationModule
from segrnn.training.speed import Speed


class ProgressBar(Callback):
    """Shows a bar over the steps with loss, validation mIoU and images/s, and prints a line for each validation.

    The lines stay in log files, where a bar does not.

    Args:
        speed: the callback that measures the images/s. It comes before this one.
    """

    def __init__(self, speed: Speed) -> None:
        self.speed = speed

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar in the first process only."""
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
            disable=not trainer.is_global_zero,
            refresh_per_second=2,  # drawing the bar takes as long as a small network's forward pass
        )
        self.bar.start()
        self.training = self.bar.add_task("train", total=trainer.max_steps, status="")
        self.miou, self.loss = "-", float("nan")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the bar to the step that the run starts at."""
        self.bar.update(self.training, completed=trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        self.loss = float(outputs["loss"])
        rate = f"{self.speed.images_per_s:.1f} images/s"
        if trainer._logger_connector.should_update_logs:
            LOG.debug(f"step {trainer.global_step}/{trainer.max_steps}   loss {self.loss:.4f}   {rate}")
        status = f"loss {self.loss:.3f}   mIoU {self.miou}   {rate}"
        self.bar.update(self.training, completed=trainer.global_step, status=status)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show a second bar for the validation images."""
        self.validation = self.bar.add_task("validate", total=sum(trainer.num_val_batches), status="")

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: int
    ) -> None:
        """Move the second bar."""
        self.bar.advance(self.validation)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the scores."""
        assert isinstance(pl_module, SegmentationModule)
        assert pl_module.scores is not None
        self.bar.remove_task(self.validation)
        self.miou = f"{pl_module.scores.miou:.4f}"
        if trainer.is_global_zero:
            line = (
                f"step {trainer.global_step}/{trainer.max_steps}   loss {self.loss:.4f}   val mIoU {self.miou}   "
                f"pixel accuracy {pl_module.scores.pixel_accuracy:.4f}"
            )
            self.bar.print(line, highlight=False)
            LOG.info(line)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave the terminal as it was."""
        self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was, after an error too."""
        if hasattr(self, "bar"):  # the error may have come before the bar was made
            self.bar.stop()


class ValidateAtEnd(Callback):
    """Asks for a validation after the last step, whether or not the interval divides the number of steps."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the run after its last step: Lightning then validates."""
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True
