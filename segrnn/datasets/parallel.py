"""Something done for every sample of a dataset, with many processes."""

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from segrnn.datasets.files import SegmentationFiles

T = TypeVar("T")


class _Each(Dataset[Any]):
    def __init__(self, dataset: SegmentationFiles, task: Callable[[SegmentationFiles, int], Any]) -> None:
        self.dataset, self.task = dataset, task

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.task(self.dataset, index)


def for_each(
    dataset: SegmentationFiles, task: Callable[[SegmentationFiles, int], T], workers: int | None
) -> Iterable[T]:
    """The results of a task for every sample, in order.

    Args:
        dataset: of which samples.
        task: gets the dataset and an index; a function of a module, so that it can be sent to other processes.
        workers: how many processes, one for each core by default; 0 does it all in this one.

    Example:
        >>> list(for_each([], lambda dataset, index: index, workers=0))
        []
    """
    processes = os.cpu_count() or 1 if workers is None else workers
    return DataLoader(_Each(dataset, task), batch_size=None, num_workers=processes, collate_fn=_as_it_is)


def _as_it_is(result: T) -> T:
    return result
