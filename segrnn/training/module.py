"""The training and validation step."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segrnn.datasets import Sample
from segrnn.errors import TrainingError
from segrnn.inference import KEY, Fusions, ModelInfo, Predictor, find_fusions, prepare, to_checkpoint
from segrnn.labels import IGNORE_INDEX
from segrnn.losses.parts import LossMeans, compute_losses
from segrnn.metrics import ConfusionMatrix, Scores
from segrnn.models import Frozen, Segmenter
from segrnn.text import printable
from segrnn.training.interruption import Interruption
from segrnn.training.resuming import move_to, take_over

_MOST_LOGITS = 2**27
"""The most logits of an image on which the validation loss is computed. They take half a gigabyte."""


class SegmentationModule(pl.LightningModule):
    """Connects a network with its loss, its optimizer and its scores.

    A step learns from one batch of the whole run. The batch is shared out among the processes. In each process it goes
    through the network in parts, one after the other. Every valid pixel counts the same, whatever part it is in. So a
    step does not depend on the number of processes, as long as batch norms are synchronized. It depends on the size of
    the parts only because batch norms see one part at a time.

    Args:
        model: the network.
        info: the network's classes and preprocessing.
        loss: maps logits ``(B, K, H, W)`` and train ids ``(B, H, W)`` to a mean over the valid pixels.
        optimizer: makes the optimizer from the model.
        schedule: makes the learning rate schedule from the optimizer and the number of steps.
        seed: the seed of the whole run.
        micro_batch_size: how many images go through the network of one process at a time; None for all of its share.
        gradient_clip_val: the greatest norm of the whole gradient; 0 does not clip.
        interruption: knows whether the run was told to end; a validation is then cut short.
        memory_format: the memory format of the images that the network is trained on.
        frozen: the part of the encoder that is not trained.
        thaw_at: the step from which on it is trained; None for never.
    """

    def __init__(
        self,
        model: Segmenter,
        info: ModelInfo,
        loss: nn.Module,
        optimizer: Callable[[Segmenter], Optimizer],
        schedule: Callable[[Optimizer, int], LRScheduler],
        seed: int,
        micro_batch_size: int | None,
        gradient_clip_val: float,
        interruption: Interruption,
        memory_format: torch.memory_format = torch.contiguous_format,
        frozen: Frozen | None = None,
        thaw_at: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.info, self.loss = model, info, loss
        self.optimizer, self.schedule = optimizer, schedule
        self.class_names, self.predictor = info.labels.class_names, Predictor(model, info)
        self._fusions: Fusions | None = None
        self.seed, self.micro_batch_size, self.gradient_clip_val = seed, micro_batch_size, gradient_clip_val
        self.interruption, self.memory_format = interruption, memory_format
        self.frozen, self.thaw_at = frozen, thaw_at
        self.confusion = ConfusionMatrix(len(self.class_names))
        self.losses = LossMeans(loss)
        self.scores: Scores | None = None

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Learn from a batch: images ``(B, 3, h, w)`` and train ids ``(B, h, w)``, both uint8.

        Raises:
            TrainingError: the loss of the whole batch, over all processes, is not finite. The weights are unchanged.
        """
        if self.frozen is not None and self.thaw_at is not None and self.trainer.global_step >= self.thaw_at:
            self.frozen.thaw()
            self.frozen = None
        images, masks = batch  # still bytes: copying them to the device takes a quarter of the traffic of floats
        self._seed_step()
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(schedule, LRScheduler)
        optimizer.zero_grad()
        valid = self._sum((masks != IGNORE_INDEX).sum()).clamp(min=1)
        parts = list(zip(*(whole.split(self.micro_batch_size or len(whole)) for whole in batch), strict=True))
        total = torch.zeros(len(self.losses.names), device=self.device)
        for i, (images, masks) in enumerate(parts):
            with self._unsynchronized() if i < len(parts) - 1 else nullcontext():
                share = (masks != IGNORE_INDEX).sum() / valid
                losses = [share * loss for loss in self.losses_of(images, masks)]
                self.manual_backward(losses[0] * self.trainer.world_size)  # the mean over the processes is then the sum
                total += torch.stack(losses).detach()
        total = self._sum(total)
        loss = total[0]
        self._check(loss, "loss")
        if self._step_is_logged():
            self.log_dict({f"train/{name}": value for name, value in zip(self.losses.names, total, strict=True)})
        optimizer.step()
        schedule.step()
        return {"loss": loss}

    def losses_of(self, images: Tensor, masks: Tensor) -> list[Tensor]:
        """Return the loss, with that of the auxiliary head, and the parts of the network's own loss.

        The images ``(B, 3, h, w)`` and the train ids ``(B, h, w)`` are uint8.
        """
        pixels = self.info.preprocessing.normalize(images).to(memory_format=self.memory_format)
        logits, auxiliary = self.model.forward_with_auxiliary(pixels)
        loss, *parts = compute_losses(self.loss, logits, masks.long())
        if auxiliary is not None:
            assert self.model.auxiliary is not None
            loss = loss + self.model.auxiliary.weight * self.loss(auxiliary, masks.long())
        return [loss, *parts]

    def _seed_step(self) -> None:
        """Seed torch for this step from the run's seed, the step and the process.

        So a resumed run draws the same dropout as one without a break.
        """
        sequence = np.random.SeedSequence([self.seed, self.trainer.global_step, self.trainer.global_rank])
        seed = int(sequence.generate_state(1, np.uint64)[0])
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # without a GPU, the line below takes a hundred times as long
        else:
            torch.manual_seed(seed)

    def _step_is_logged(self) -> bool:
        """Return whether loggers write this step. Lightning needs about a millisecond for each value handed to it."""
        return self.trainer._logger_connector.should_update_logs

    def _sum(self, value: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(value, reduce_op="sum")

    def _unsynchronized(self) -> AbstractContextManager[None]:
        """Return a context in which processes do not share gradients.

        It is enough to share them at the last part: by then the gradients of all parts are added up.
        """
        model = self.trainer.strategy.model
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient, and check that its norm is finite."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.gradient_clip_val or math.inf)
        if self._step_is_logged():
            self.log("train/gradient_norm", norm)
        if self.trainer.precision != "16-mixed":  # with 16-mixed, the scaler skips steps with infinite gradients
            self._check(norm, "norm of the gradient")

    def _check(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise TrainingError(f"the {what} is {float(value)} in step {self.trainer.global_step + 1}")

    def on_validation_epoch_start(self) -> None:
        """Set the counts to zero, and give all processes the same running statistics."""
        self.confusion, self.losses = ConfusionMatrix(len(self.class_names)), LossMeans(self.loss)
        if self.trainer.world_size > 1:
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, src=0)
        if self.device.type == "cpu":  # prepare this step's weights in the way that commands prepare a checkpoint's
            self._fusions = find_fusions(self.model) if self._fusions is None else self._fusions
            self.predictor = Predictor(prepare(self.model, self._fusions), self.info)

    def validation_step(self, samples: list[Sample]) -> dict[str, list[Tensor]]:
        """Compare the predicted mask of each image with its label, at the label's own size.

        The loss is computed there, too, except for images with so many logits that they would fill the memory.

        Returns:
            The mask and the counts of each image. If the run was told to end, the remaining images are missing.
        """
        masks, counts = [], []
        for sample in samples:
            if self.interruption.noted:
                break
            mask, logits = self.predictor.mask_with_logits(sample.image, _MOST_LOGITS)
            truth = torch.from_numpy(sample.mask).to(self.device)
            masks.append(mask)
            counts.append(self.confusion.update(mask, truth))
            if logits is not None:
                self.losses.update(logits[None], truth[None].long())
        return {"masks": masks, "counts": counts}

    def on_validation_epoch_end(self) -> None:
        """Compute scores from the counts of all processes. If any process was told to end, the scores are None."""
        if self.interruption.agreed(self.trainer):
            self.scores = None
            return
        counts = self._sum(self.confusion.counts.to(self.device))
        self.scores = Scores(counts.cpu().numpy(), self.class_names)
        sums = self.losses.sums.to(self.device, torch.float32 if self.device.type == "mps" else torch.float64)
        losses = self.losses.compute(self._sum(sums))
        of_classes = zip(self.class_names, self.scores.iou, strict=True)
        self.log_dict(
            {
                "val/miou": self.scores.miou,
                "val/mean_accuracy": self.scores.mean_accuracy,
                "val/pixel_accuracy": self.scores.pixel_accuracy,
                **{f"val/{name}": value for name, value in losses.items()},
                **{f"val/iou/{printable(name)}": float(iou) for name, iou in of_classes if not math.isnan(iou)},
            }
        )

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, which moves after every step."""
        optimizer = self.make_optimizer()
        return [optimizer], [self.schedule(optimizer, self.trainer.max_steps)]

    def make_optimizer(self) -> Optimizer:
        """Make the optimizer, also for parameters that are thawed later."""
        with nullcontext() if self.frozen is None or self.thaw_at is None else self.frozen.as_trained():
            return self.optimizer(self.model)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Change the checkpoint so that the run goes on with the configuration's rates, schedule and loss."""
        optimizer = self.make_optimizer()
        schedule = self.schedule(optimizer, self.trainer.max_steps)
        move_to(checkpoint["global_step"], optimizer, schedule)
        averages = any(isinstance(callback, WeightAveraging) for callback in getattr(self.trainer, "callbacks"))  # noqa: B009  # untyped
        take_over(checkpoint, optimizer, schedule, self.loss.state_dict(), averages)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the information that is needed to rebuild the model."""
        checkpoint[KEY] = to_checkpoint(self.info)
