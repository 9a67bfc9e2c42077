"""The range test of learning rates: the loss while the rates grow."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from segrnn.reports import draw_lr_range
from segrnn.text import tell

_FEWEST = 20
"""Steps that the test makes at least. Before that, the loss is too rough to tell whether it has risen."""


class LearningRateRange(Callback):
    """Notes the loss at each learning rate, ends the run once the loss has risen far, and draws a picture.

    Smith 2015, "Cyclical learning rates", arXiv 1506.01186, section 3.3. The run needs `segrnn.training.lr_range` as
    its schedule.

    Args:
        path: the file of the picture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.factors: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the factor by which the step multiplies the configured rates."""
        group = trainer.optimizers[0].param_groups[0]
        self.factors.append(group["lr"] / group["initial_lr"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and stop the run if it is more than four times the lowest so far."""
        self.losses.append(float(outputs["loss"]))
        if len(self.losses) >= _FEWEST and self.losses[-1] > 4 * min(self.losses):
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Draw the picture."""
        self._draw(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw the picture after an error too: the highest rates can make the loss infinite or NaN."""
        self._draw(trainer)

    def _draw(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero and self.losses:
            draw_lr_range(self.factors[: len(self.losses)], self.losses, self.path)
            tell(f"loss over learning rates  {self.path}")
