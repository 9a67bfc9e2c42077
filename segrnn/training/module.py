"""The training and validation step."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segrnn.datasets import Preprocessing, Sample
from segrnn.inference import predict_mask
from segrnn.metrics import ConfusionMatrix, Scores
from segrnn.models import Segmenter


class SegmentationModule(pl.LightningModule):
    """Ties a network to its loss, its optimizer and its scores.

    Args:
        model: the network.
        loss: maps logits ``(B, K, H, W)`` and train ids ``(B, H, W)`` to a scalar.
        optimizer: makes the optimizer from the model.
        schedule: makes the learning rate schedule from the optimizer and the number of steps.
        class_names: of the K classes.
        preprocessing: of all images.
        checkpoint_info: primitives that every checkpoint holds too, to rebuild the model from.
    """

    def __init__(
        self,
        model: Segmenter,
        loss: nn.Module,
        optimizer: Callable[[Segmenter], Optimizer],
        schedule: Callable[[Optimizer, int], LRScheduler],
        class_names: tuple[str, ...],
        preprocessing: Preprocessing,
        checkpoint_info: dict[str, Any],
    ) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.optimizer, self.schedule = optimizer, schedule
        self.class_names, self.preprocessing = class_names, preprocessing
        self.checkpoint_info = checkpoint_info
        self.confusion = ConfusionMatrix(len(class_names))
        self.scores: Scores | None = None

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a batch: images ``(B, 3, h, w)`` and train ids ``(B, h, w)``, both uint8."""
        images, masks = batch  # bytes until here: a quarter of what floats would take on the way to the device
        loss: Tensor = self.loss(self.model(self.preprocessing.normalize(images)), masks.long())
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Count from zero."""
        self.confusion = ConfusionMatrix(len(self.class_names))

    def validation_step(self, samples: list[Sample]) -> None:
        """Count each image at its label's own size."""
        for sample in samples:
            mask = predict_mask(self.model, self.preprocessing, sample.image, self.device)
            self.confusion.update(mask, torch.from_numpy(sample.mask).to(self.device))

    def on_validation_epoch_end(self) -> None:
        """Add up the counts of all processes, and divide."""
        counts = self.trainer.strategy.reduce(self.confusion.counts.to(self.device), reduce_op="sum")
        self.scores = Scores(counts.cpu().numpy(), self.class_names)
        self.log("val/miou", self.scores.miou, prog_bar=True, sync_dist=True)
        self.log("val/pixel_accuracy", self.scores.pixel_accuracy, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """The optimizer, with a schedule that moves every step."""
        optimizer = self.optimizer(self.model)
        schedule = self.schedule(optimizer, self.trainer.max_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model."""
        checkpoint.update(self.checkpoint_info)
