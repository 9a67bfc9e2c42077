"""Progress, and the last validation."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from segrnn.training.module import SegmentationModule


class Throughput(Callback):
    """Shows and logs how many training images go through in a second, over all processes."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Loading counts: the clock runs from one batch's end to the next one's."""
        if batch_idx == 0:
            self.since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the rate of this step."""
        now = time.perf_counter()
        pl_module.log("train/images_per_s", len(batch[0]) * trainer.world_size / (now - self.since), prog_bar=True)
        self.since = now

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is not training time."""
        self.since = time.perf_counter()


class ValidateAtEnd(Callback):
    """Asks for a validation after the last step, whether or not the interval divides the number of steps."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning validates when a run is told to stop."""
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True


class Announce(Callback):
    """Prints one line for each validation, so that a log file tells the story too."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say where the run stands."""
        assert isinstance(pl_module, SegmentationModule)
        if trainer.is_global_zero and pl_module.scores is not None:
            loss = float(trainer.callback_metrics.get("train/loss", float("nan")))
            print(
                f"step {trainer.global_step}/{trainer.max_steps}   loss {loss:.4f}   "
                f"val mIoU {pl_module.scores.miou:.4f}   pixel accuracy {pl_module.scores.pixel_accuracy:.4f}",
                flush=True,
            )
