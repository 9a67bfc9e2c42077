"""Loaders for training and validation."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from segrnn.datasets import Augmentation, Augmented, EndlessSampler, Sample, SegmentationDataset, sample_loader
from segrnn.datasets.stream import start_loading, stop_threads_before_forks
from segrnn.errors import ConfigError


class DataModule(pl.LightningDataModule):
    """Loads an endless stream of augmented training batches, and the validation images unchanged.

    Args:
        train: the training images.
        val: the validation images.
        augmentation: makes crops of the training images.
        batch_size: the number of crops in a step's training batch, over all processes.
        eval_batch_size: the number of validation images read at a time.
        workers: the number of loading processes; 0 loads in the training process.
        seed: the seed of the order of the training images.
        repeats: how often each training image is shown in a pass, on average; once by default.
    """

    allow_zero_length_dataloader_with_multiple_devices = True  # there may be fewer validation images than processes

    def __init__(
        self,
        train: SegmentationDataset,
        val: SegmentationDataset,
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
        self.drawn_before, self.steps_before = 0, 0

    @property
    def images_per_pass(self) -> float:
        """Return how many images a pass over the training data shows, on average."""
        return len(self.train.dataset) if self.repeats is None else float(self.repeats.sum())

    def check_shares(self, processes: int, micro_batch_size: int | None) -> None:
        """Check that the batch can be divided evenly among processes and into parts.

        Args:
            processes: the number of processes.
            micro_batch_size: the number of images in a part; None takes all of a process's share at once.

        Raises:
            ConfigError: the batch can't be divided evenly. The message names sizes that can.
        """
        share, rest = divmod(self.batch_size, processes)
        if rest:
            lower = self.batch_size - rest
            fitting = f"{lower} or {lower + processes}" if lower else str(processes)
            raise ConfigError(
                f"data.batch_size={self.batch_size}, the batch of all processes together, can't be divided evenly "
                f"among {processes} processes: {fitting} can"
            )
        if micro_batch_size is not None and share % micro_batch_size:
            fitting = ", ".join(str(size) for size in range(1, share + 1) if share % size == 0)
            raise ConfigError(
                f"trainer.micro_batch_size={micro_batch_size} does not divide the {share} images of each process "
                f"(data.batch_size={self.batch_size} over {processes}): {fitting} does"
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of each step's batch: images ``(B, 3, h, w)`` and train ids ``(B, h, w)``.

        The stream never ends. It goes on after the samples that the run has already drawn.
        """
        rank, world_size = self._place()
        stop_threads_before_forks()
        return DataLoader(
            self.train,
            self.batch_size // world_size,
            sampler=self._order(rank, world_size, self.state_dict()["drawn"]),
            num_workers=self.workers,
            worker_init_fn=start_loading,
        )

    def _order(self, rank: int, world_size: int, start: int) -> EndlessSampler:
        images = self.train.dataset
        return EndlessSampler(len(images), self.seed, rank, world_size, self.repeats, start, images.shuffle)

    def next_names(self) -> list[str]:
        """Return the names of the images in the next step's batch, over all processes."""
        order = self._order(rank=0, world_size=1, start=self.state_dict()["drawn"])
        return [self.train.dataset.pairs[index].name for _, index in itertools.islice(order, self.batch_size)]

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return this process's share of the validation images.

        All processes together see each image once: none is repeated to fill up a batch.
        """
        rank, world_size = self._place()
        return sample_loader(self.val, self.eval_batch_size, self.workers, range(rank, len(self.val), world_size))

    def state_dict(self) -> dict[str, Any]:
        """Return how many training samples the run has drawn, over all processes, and in how many steps."""
        steps = self.trainer.global_step if self.trainer else 0
        return {"drawn": self.drawn_before + (steps - self.steps_before) * self.batch_size, "steps": steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the samples that were already drawn, even with a batch of another size."""
        self.drawn_before, self.steps_before = state_dict["drawn"], state_dict["steps"]

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
