"""Running a task for every sample of a dataset in several processes."""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

from segrnn.datasets.files import SegmentationDataset
from segrnn.errors import SegrnnError
from segrnn.processes import cores

T = TypeVar("T")

_work: Callable[[int], Any]
"""The function that a process calls for each index. It is sent to the process once, because a dataset is large."""


def for_each(
    dataset: SegmentationDataset, task: Callable[[SegmentationDataset, int], T], workers: int | None
) -> Iterable[T]:
    """Run a task for every sample, and return the results in order.

    When this ends, even with an error, its processes have ended too. So none of them writes a file later.

    Args:
        dataset: the dataset.
        task: a function that takes the dataset and an index. It must be sendable to other processes, for example a
            function at the top of a module.
        workers: the number of processes, by default one for each core; 0 runs the task in this process.

    Raises:
        SegrnnError: a process was killed. Errors of the task are raised unchanged.

    Example:
        >>> list(for_each([], lambda dataset, index: index, workers=0))
        []
    """
    work, indices = partial(task, dataset), range(len(dataset))
    processes = min(cores() if workers is None else workers, len(dataset))
    if processes == 0:
        return map(work, indices)
    pool = ProcessPoolExecutor(processes, initializer=_start, initargs=(work,))
    return _results(pool, pool.map(_call, indices))  # the processes start here, before the caller starts threads


def _results(pool: ProcessPoolExecutor, results: Iterator[T]) -> Iterator[T]:
    with pool:
        try:
            yield from results
        except BrokenProcessPool as error:
            raise SegrnnError(
                "a process was killed, probably because the memory is full: use one process with workers=1, or none "
                "with workers=0"
            ) from error


def _start(work: Callable[[int], Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes, and the first one ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _work = work


def _call(index: int) -> Any:
    return _work(index)
