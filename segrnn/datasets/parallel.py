"""Something done for every sample of a dataset, with many processes."""

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
"""What a process does for an index: sent to it once, as a dataset is large."""


def for_each(
    dataset: SegmentationDataset, task: Callable[[SegmentationDataset, int], T], workers: int | None
) -> Iterable[T]:
    """The results of a task for every sample, in order.

    When it ends, with an error too, so have its processes: none of them writes a file later.

    Args:
        dataset: of which samples.
        task: gets the dataset and an index; a function of a module, so that it can be sent to other processes.
        workers: how many processes, one for each core by default; 0 does it all in this one.

    Raises:
        SegrnnError: a process was killed; besides, what the task raises.

    Example:
        >>> list(for_each([], lambda dataset, index: index, workers=0))
        []
    """
    work, indices = partial(task, dataset), range(len(dataset))
    processes = min(cores() if workers is None else workers, len(dataset))
    if processes == 0:
        return map(work, indices)
    pool = ProcessPoolExecutor(processes, initializer=_start, initargs=(work,))
    return _results(pool, pool.map(_call, indices))  # the processes start here, before a caller's threads do


def _results(pool: ProcessPoolExecutor, results: Iterator[T]) -> Iterator[T]:
    with pool:
        try:
            yield from results
        except BrokenProcessPool as error:
            raise SegrnnError(
                "a process was killed, probably as the memory is full: use fewer with workers=1, or none with workers=0"
            ) from error


def _start(work: Callable[[int], Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _work = work


def _call(index: int) -> Any:
    return _work(index)
