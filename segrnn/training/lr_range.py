"""A range test: the loss while learning rates grow."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from segrnn.reports import draw_lr_range
from segrnn.text import tell

_FEWEST = 20
"""Steps before which the loss is too rough to say that it has risen."""


class LearningRateRange(Callback):
    """Notes the loss at each learning rate, ends the run where it has risen far, and draws the picture.

    Smith 2015, "Cyclical learning rates", arXiv 1506.01186, section 3.3. It wants `segrnn.training.lr_range` for a
    schedule.

    Args:
        path: of the picture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.factors: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note what the step multiplies the configured rates by."""
        group = trainer.optimizers[0].param_groups[0]
        self.factors.append(group["lr"] / group["initial_lr"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss; a run whose loss is four times the least has shown what there is to see."""
        self.losses.append(float(outputs["loss"]))
        if len(self.losses) >= _FEWEST and self.losses[-1] > 4 * min(self.losses):
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Draw."""
        self._draw(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw: the highest rates may well have made numbers that are none."""
        self._draw(trainer)

    def _draw(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero and self.losses:
            draw_lr_range(self.factors[: len(self.losses)], self.losses, self.path)
            tell(f"loss over learning rates  {self.path}")
