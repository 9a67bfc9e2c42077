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
from segrnn.metrics import ConfusionMatrix, Scores
from segrnn.models import Segmenter
from segrnn.text import printable
from segrnn.training.interruption import Interruption
from segrnn.training.resuming import move_to, take_over


class SegmentationModule(pl.LightningModule):
    """Ties a network to its loss, its optimizer and its scores.

    A step is one batch of the whole run: it goes through the network in parts, over the processes and in each of them
    one part after the other, and every valid pixel counts the same, in whichever part it lies. So a step is the same
    for any number of processes, as long as batch norms are synchronized, and for any size of the parts but for the
    batches that batch norms see.

    Args:
        model: the network.
        info: its classes and its preprocessing.
        loss: maps logits ``(B, K, H, W)`` and train ids ``(B, H, W)`` to a mean over the valid pixels.
        optimizer: makes the optimizer from the model.
        schedule: makes the learning rate schedule from the optimizer and the number of steps.
        seed: of the whole run.
        micro_batch_size: how many images go through the network of one process at a time; None for all of its share.
        gradient_clip_val: the greatest norm of the whole gradient; 0 does not clip.
        interruption: knows whether the run was told to end; a validation is then cut short.
        memory_format: of the images that the network is trained on.
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
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.info, self.loss = model, info, loss
        self.optimizer, self.schedule = optimizer, schedule
        self.class_names, self.predictor = info.labels.class_names, Predictor(model, info)
        self._fusions: Fusions | None = None
        self.seed, self.micro_batch_size, self.gradient_clip_val = seed, micro_batch_size, gradient_clip_val
        self.interruption, self.memory_format = interruption, memory_format
        self.confusion = ConfusionMatrix(len(self.class_names))
        self.scores: Scores | None = None

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Learn from a batch: images ``(B, 3, h, w)`` and train ids ``(B, h, w)``, both uint8.

        Raises:
            TrainingError: the loss of the whole batch, over all processes, is not finite; the weights are as before.
        """
        images, masks = batch  # bytes until here: a quarter of what floats would take on the way to the device
        self._seed_step()
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(schedule, LRScheduler)
        optimizer.zero_grad()
        valid = self._sum((masks != IGNORE_INDEX).sum()).clamp(min=1)
        parts = list(zip(*(whole.split(self.micro_batch_size or len(whole)) for whole in batch), strict=True))
        total = torch.zeros((), device=self.device)
        for i, (images, masks) in enumerate(parts):
            with self._unsynchronized() if i < len(parts) - 1 else nullcontext():
                share = (masks != IGNORE_INDEX).sum() / valid
                loss = share * self._loss(images, masks)
                self.manual_backward(loss * self.trainer.world_size)  # of which the processes take the mean
                total += loss.detach()
        loss = self._sum(total)
        self._check(loss, "loss")
        if self._step_is_logged():
            self.log("train/loss", loss)
        optimizer.step()
        schedule.step()
        return {"loss": loss}

    def _loss(self, images: Tensor, masks: Tensor) -> Tensor:
        pixels = self.info.preprocessing.normalize(images).to(memory_format=self.memory_format)
        logits, auxiliary = self.model.forward_with_auxiliary(pixels)
        loss = self.loss(logits, masks.long())
        if auxiliary is not None:
            assert self.model.auxiliary is not None
            loss = loss + self.model.auxiliary.weight * self.loss(auxiliary, masks.long())
        return loss

    def _seed_step(self) -> None:
        """Dropout is a function of the seed and the step, so that a run that comes back draws what it would have."""
        sequence = np.random.SeedSequence([self.seed, self.trainer.global_step, self.trainer.global_rank])
        seed = int(sequence.generate_state(1, np.uint64)[0])
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # the line below takes a hundred times as long without a GPU
        else:
            torch.manual_seed(seed)

    def _step_is_logged(self) -> bool:
        """Whether loggers write this step. To hand Lightning a value takes it about a millisecond."""
        return self.trainer._logger_connector.should_update_logs

    def _sum(self, value: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(value, reduce_op="sum")

    def _unsynchronized(self) -> AbstractContextManager[None]:
        """Processes need to share only the last part's gradient, which has all others' added."""
        model = self.trainer.strategy.model
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.gradient_clip_val or math.inf)
        if self._step_is_logged():
            self.log("train/gradient_norm", norm)
            if self.device.type == "cuda":
                self.log("train/gpu_memory_gib", torch.cuda.max_memory_allocated(self.device) / 2**30)
        if self.trainer.precision != "16-mixed":  # whose scaler allows for infinite gradients and passes over the step
            self._check(norm, "norm of the gradient")

    def _check(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise TrainingError(f"the {what} is {float(value)} in step {self.trainer.global_step + 1}")

    def on_validation_epoch_start(self) -> None:
        """Count from zero, with the same running statistics in all processes."""
        self.confusion = ConfusionMatrix(len(self.class_names))
        if self.trainer.world_size > 1:
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, src=0)
        if self.device.type == "cpu":  # with the weights of this step, as the commands prepare those of a checkpoint
            self._fusions = find_fusions(self.model) if self._fusions is None else self._fusions
            self.predictor = Predictor(prepare(self.model, self._fusions), self.info)

    def validation_step(self, samples: list[Sample]) -> dict[str, list[Tensor]]:
        """Count each image at its label's own size.

        Returns:
            The mask and the counts of each image, fewer where the run was told to end.
        """
        masks, counts = [], []
        for sample in samples:
            if self.interruption.noted:
                break
            masks.append(self.predictor.mask(sample.image))
            counts.append(self.confusion.update(masks[-1], torch.from_numpy(sample.mask).to(self.device)))
        return {"masks": masks, "counts": counts}

    def on_validation_epoch_end(self) -> None:
        """Add up the counts of all processes, and divide. There are no scores if any of them was told to end."""
        if self.interruption.agreed(self.trainer):
            self.scores = None
            return
        counts = self._sum(self.confusion.counts.to(self.device))
        self.scores = Scores(counts.cpu().numpy(), self.class_names)
        of_classes = zip(self.class_names, self.scores.iou, strict=True)
        self.log_dict(
            {
                "val/miou": self.scores.miou,
                "val/mean_accuracy": self.scores.mean_accuracy,
                "val/pixel_accuracy": self.scores.pixel_accuracy,
                **{f"val/iou/{printable(name)}": float(iou) for name, iou in of_classes if not math.isnan(iou)},
            }
        )

    def configure_optimizers(self) -> Any:
        """The optimizer, with a schedule that moves every step."""
        optimizer = self.optimizer(self.model)
        return [optimizer], [self.schedule(optimizer, self.trainer.max_steps)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the rates, the schedule and the loss of the configuration."""
        optimizer = self.optimizer(self.model)
        schedule = self.schedule(optimizer, self.trainer.max_steps)
        move_to(checkpoint["global_step"], optimizer, schedule)
        averages = any(isinstance(callback, WeightAveraging) for callback in getattr(self.trainer, "callbacks"))  # noqa: B009  # untyped
        take_over(checkpoint, optimizer, schedule, self.loss.state_dict(), averages)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model."""
        checkpoint[KEY] = to_checkpoint(self.info)
