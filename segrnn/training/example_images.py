"""Examples of each validation."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from segrnn.metrics import Scores
from segrnn.reports import Gallery
from segrnn.training.module import SegmentationModule

_LONGEST = 512
"""Pixels of an example's longest side. Pages of examples and dashboards can't show more."""


class Examples(Callback):
    """Keeps examples of the last validation. In the end, each process has the examples of all processes.

    Args:
        names: the names of the chosen images.
        extremes: how many of the worst images to keep, and how many of the best.
    """

    def __init__(self, names: Sequence[str], extremes: int) -> None:
        self.names, self.extremes = names, extremes
        self.gallery = Gallery(names, extremes, _LONGEST)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start with an empty gallery."""
        self.gallery = Gallery(self.names, self.extremes, _LONGEST)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: int
    ) -> None:
        """Keep the images that belong in the gallery. Only their masks are copied from the device."""
        assert isinstance(pl_module, SegmentationModule)
        for sample, mask, counts in zip(batch, outputs["masks"], outputs["counts"], strict=False):
            miou = Scores(counts.numpy(), pl_module.class_names).miou
            if self.gallery.wants(sample.name, miou):
                self.gallery.add(sample, mask.cpu().numpy(), miou)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Share the examples with all processes."""
        if trainer.world_size > 1:
            galleries = [self.gallery] * trainer.world_size
            torch.distributed.all_gather_object(galleries, self.gallery)
            self.gallery.merge(galleries)
