"""Reading a dataset, as an endless stream for training or each image once."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from threading import Thread

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from segrnn.datasets.augmentation import Augmentation
from segrnn.datasets.files import Sample, SegmentationDataset

Indices = npt.NDArray[np.int64]

Shuffle = Callable[[np.random.Generator, Indices], Indices]
"""A function that puts the indices of a pass in a random order, such as the method `SegmentationDataset.shuffle`."""


class EndlessSampler(Sampler[tuple[int, int]]):
    """Gives endless passes over a dataset as pairs of (counter, index). Each pass has an order of its own.

    The counter numbers the samples of the whole run over all processes. Process r of n draws every n-th sample,
    beginning with sample r.

    Args:
        length: the number of samples in the dataset.
        seed: the seed of the whole run.
        rank: the number of this process.
        world_size: the number of processes that train together.
        repeats: how often each sample is shown in a pass, ``(length,)``, on average; once by default.
        start: the number of samples that the run has drawn already, over all processes.
        shuffle: puts the indices of each pass in a random order. By default, all orders are equally likely.

    Example:
        >>> import itertools
        >>> order = list(itertools.islice(EndlessSampler(length=3, seed=0), 6))
        >>> sorted(index for _, index in order[:3])
        [0, 1, 2]
        >>> list(itertools.islice(EndlessSampler(length=3, seed=0, start=4), 2)) == order[4:]
        True
    """

    def __init__(
        self,
        length: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        repeats: npt.NDArray[np.float64] | None = None,
        start: int = 0,
        shuffle: Shuffle = np.random.Generator.permutation,
    ) -> None:
        self.length, self.seed, self.rank, self.world_size, self.repeats = length, seed, rank, world_size, repeats
        self.start, self.shuffle = start, shuffle

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return itertools.islice(enumerate(self._indices()), self.start + self.rank, None, self.world_size)

    def _indices(self) -> Iterator[int]:
        for epoch in itertools.count():
            rng = np.random.default_rng([self.seed, epoch])
            indices = np.arange(self.length)
            if self.repeats is not None:  # 1.3 means: once, and once more in three of ten passes
                indices = indices.repeat(np.floor(self.repeats + rng.random(self.length)).astype(np.int64))
            yield from self.shuffle(rng, indices).tolist()


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """A dataset whose samples are augmented. It is indexed by the pairs of an `EndlessSampler`.

    Its samples are images ``(3, h, w)`` and train ids ``(h, w)``.
    """

    def __init__(self, dataset: SegmentationDataset, augmentation: Augmentation) -> None:
        self.dataset = dataset
        self.augmentation = augmentation

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        counter, index = key
        sample = self.dataset[index]
        return self.augmentation(sample.image, sample.mask, counter)


def sample_loader(
    dataset: SegmentationDataset, batch_size: int, workers: int, indices: Iterable[int] | None = None
) -> DataLoader[Sample]:
    """Make a loader that gives samples in lists of up to `batch_size`. Their sizes may differ.

    Args:
        dataset: the dataset to read.
        batch_size: the number of samples that are read at a time.
        workers: the number of loading processes; 0 reads in this process.
        indices: the indices of the samples to read, in order; all samples by default.
    """
    stop_threads_before_forks()
    chosen = range(len(dataset)) if indices is None else list(indices)
    return DataLoader(
        dataset, batch_size, sampler=chosen, num_workers=workers, collate_fn=list, worker_init_fn=start_loading
    )


@cache
def stop_threads_before_forks() -> None:
    """Let OpenCV stop its threads before each fork of this process, from now on. Another call changes nothing.

    A forked process has none of these threads. It would wait for them for ever as soon as it changes their number.
    """
    if not hasattr(os, "register_at_fork"):  # Windows has no forks
        return
    counts: list[int] = []

    def stop() -> None:
        counts.append(cv2.getNumThreads())
        cv2.setNumThreads(1)

    os.register_at_fork(before=stop, after_in_parent=lambda: cv2.setNumThreads(counts.pop()))


def start_loading(worker: int) -> None:
    """Use one thread in a loading process, and leave signals to the process that it loads for.

    OpenCV does the augmentation, and would start a thread per core in each loading process. If a signal is sent to all
    processes of a run, only the process that they load for reacts. A loading process that died of the signal would end
    that process too, before it has saved anything. Loading processes still end when that process ends them, or is gone.
    """
    cv2.setNumThreads(1)  # torch's data loader does the same for torch
    if not hasattr(signal, "sigwaitinfo"):  # macOS and Windows can't tell who has sent a signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # a handler could not tell who has sent the signal
    Thread(target=_await_end, daemon=True).start()


def _await_end() -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)
