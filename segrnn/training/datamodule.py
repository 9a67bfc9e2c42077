"""Loaders for training and validation."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Sampler

from segrnn.datasets import Augmentation, Augmented, EndlessSampler, Sample, SegmentationFiles


class Share(Sampler[int]):
    """Every n-th image of a dataset, from r: over all processes each image once, none repeated to fill up."""

    def __init__(self, length: int, rank: int, world_size: int) -> None:
        self.indices = range(rank, length, world_size)

    def __iter__(self) -> Any:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


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
    ) -> None:
        super().__init__()
        self.train = Augmented(train, augmentation)
        self.val = val
        self.batch_size, self.eval_batch_size, self.workers, self.seed = batch_size, eval_batch_size, workers, seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of images ``(B, 3, h, w)`` and train ids ``(B, h, w)``, without end."""
        rank, world_size = self._place()
        sampler = EndlessSampler(len(self.train.dataset), self.seed, rank, world_size)
        return DataLoader(self.train, self.batch_size, sampler=sampler, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        """Lists of `Sample`."""
        return DataLoader(
            self.val,
            self.eval_batch_size,
            sampler=Share(len(self.val), *self._place()),
            num_workers=self.workers,
            collate_fn=_as_list,
        )

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def _as_list(samples: Sequence[Sample]) -> list[Sample]:
    return list(samples)
