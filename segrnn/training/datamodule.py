"""Loaders for training and validation."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from segrnn.datasets import Augmentation, Augmented, EndlessSampler, Sample, SegmentationFiles, sample_loader


class DataModule(pl.LightningDataModule):
    """An endless stream of augmented training batches, and the validation images as they are.

    Args:
        train: the training images.
        val: the validation images.
        augmentation: what makes crops of the training images.
        batch_size: crops in a training batch, of one process.
        eval_batch_size: validation images read at a time.
        workers: loading processes; 0 loads in the training process.
        seed: of the order of the training images.
        repeats: how often each training image is shown in a pass, on average; once by default.
    """

    def __init__(
        self,
        train: SegmentationFiles,
        val: SegmentationFiles,
        augmentation: Augmentation,
        batch_size: int,
        eval_batch_size: int,
        workers: int,
        seed: int,
        repeats: npt.NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        self.train = Augmented(train, augmentation)
        self.val = val
        self.batch_size, self.eval_batch_size, self.workers, self.seed = batch_size, eval_batch_size, workers, seed
        self.repeats = repeats

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of images ``(B, 3, h, w)`` and train ids ``(B, h, w)`` in bytes, without end."""
        rank, world_size = self._place()
        sampler = EndlessSampler(len(self.train.dataset), self.seed, rank, world_size, self.repeats)
        return DataLoader(self.train, self.batch_size, sampler=sampler, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Over all processes each image once: none is repeated to fill up a batch."""
        rank, world_size = self._place()
        return sample_loader(self.val, self.eval_batch_size, self.workers, range(rank, len(self.val), world_size))

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
