"""What a step costs: images per second, the time that it waits for data, and memory."""

import resource
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class Speed(Callback):
    """Measures the steps, and hands the figures to the loggers.

    - ``train/images_per_s`` counts all processes, and includes loading.
    - ``train/waiting`` is the share of a step's time in which it waits for its batch. If it stays far above 0, more
      `data.workers` would make training faster.
    - ``train/memory_gib`` is the most memory so far: that of tensors on a GPU, otherwise that of the whole process.

    A validation is not part of any step.

    Attributes:
        images_per_s: the images per second of the last step.
    """

    images_per_s = float("nan")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._end_of_last = time.perf_counter()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Note when the batch is there."""
        self._begin = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure from the end of one batch to the end of the next."""
        now = time.perf_counter()
        whole, waiting = now - self._end_of_last, self._begin - self._end_of_last
        self._end_of_last = now
        self.images_per_s = len(batch[0]) * trainer.world_size / whole
        if trainer._logger_connector.should_update_logs:
            pl_module.log_dict(
                {
                    "train/images_per_s": self.images_per_s,
                    "train/waiting": waiting / whole,
                    "train/memory_gib": _peak_memory(pl_module.device) / 2**30,
                }
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock again."""
        self._end_of_last = time.perf_counter()


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux KiB
