"""The processes that share the images of a command."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import zip_longest
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from segrnn.errors import ConfigError, SegrnnError
from segrnn.processes import is_batch_script, local_rank, place
from segrnn.text import tell

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE = timedelta(hours=6)
"""How long a process waits for another one that still runs. If another one has ended, it is noticed at once."""

_PER_ROUND = 16
"""The number of items that `ProcessGroup.map` gives each process before it gathers results. Differences between the
sizes of images average out over this many images, and this many results of each process are in memory."""


class ProcessGroup:
    """Some processes that do the same work on different items. Process r of n takes every n-th item, from item r on.

    Args:
        rank: the number of this process, from 0. Process 0 prints and writes what all have found.
        size: the number of processes.
        local_size: the number of processes on this machine.

    Example:
        >>> group = ProcessGroup(rank=1, size=3)
        >>> group.share("abcdefg")
        ['b', 'e']
        >>> interleave([["a", "d", "g"], ["b", "e"], ["c", "f"]])
        ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    """

    def __init__(self, rank: int = 0, size: int = 1, local_size: int = 1) -> None:
        self.rank, self.size, self.local_size = rank, size, local_size

    @property
    def is_first(self) -> bool:
        """Return whether this is the process that prints and writes."""
        return self.rank == 0

    def tell(self, message: object) -> None:
        """Print a message in the first process only."""
        if self.is_first:
            tell(message)

    def owns(self, position: int) -> bool:
        """Return whether this process has to do the item at a position, counted from 0."""
        return position % self.size == self.rank

    def share(self, items: Iterable[Item]) -> list[Item]:
        """Return the items that this process has to do, in their order."""
        return [item for position, item in enumerate(items) if self.owns(position)]

    def gather(self, value: Result) -> list[Result]:
        """Return the values of all processes, by their ranks, in the first process. Return nothing in the others.

        Raises:
            SegrnnError: another process has ended.
        """
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        _exchange(lambda: dist.gather_object(value, values if self.is_first else None))
        return values if self.is_first else []

    def first(self, make: Callable[[], Result]) -> Result:
        """Let the first process make a value, and return it in all processes.

        Raises:
            SegrnnError: another process has ended.
        """
        if self.size == 1:
            return make()
        values: list[Any] = [make() if self.is_first else None]
        _exchange(lambda: dist.broadcast_object_list(values))
        return values[0]

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Do the work for each item once, and yield all results in order in the first process, and none in the others.

        Results are gathered in rounds, so few of them are in memory, and the end of a process is noticed soon. Every
        process must go through the iterator to its end.

        Raises:
            SegrnnError: another process has ended.
        """
        step = self.size * _PER_ROUND if self.size > 1 else 1
        for start in range(0, len(items), step):
            own = [work(item) for item in self.share(items[start : start + step])]
            yield from interleave(self.gather(own))


def interleave(shares: Sequence[Sequence[Result]]) -> list[Result]:
    """Return results in the order of their items. This is the inverse of `ProcessGroup.share`.

    Args:
        shares: the results of each process, by its rank.
    """
    missing = object()
    return [result for row in zip_longest(*shares, fillvalue=missing) for result in row if result is not missing]  # type: ignore[misc]


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Connect the processes that torchrun or srun has started for this command. A single process connects to nothing.

    On a machine with several accelerators, each process gets one of its own.

    Raises:
        ConfigError: a launcher has started the processes that does not tell them how to find each other.
        SegrnnError: another process has ended.
    """
    here = place()
    if here.size == 1 or is_batch_script():
        yield ProcessGroup()
        return
    if here.launcher == "srun":  # torchrun sets these variables itself
        from lightning_fabric.plugins.environments.slurm import SLURMEnvironment  # takes seconds to import

        slurm = SLURMEnvironment()
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm.main_address, str(slurm.main_port)
    elif here.launcher != "torchrun":
        raise ConfigError(
            f"{here.launcher} has started {here.size} processes, but only those of torchrun and srun share images: "
            f"start the command by torchrun --nproc-per-node {here.size} -m, by srun, or as one process"
        )
    if devices := torch.accelerator.device_count():
        torch.accelerator.set_device_index(local_rank() % devices)
    _exchange(lambda: dist.init_process_group("gloo", rank=here.rank, world_size=here.size, timeout=_PATIENCE))
    try:
        yield ProcessGroup(here.rank, here.size, here.local_size or here.size)
    finally:
        dist.destroy_process_group()


def _exchange(talk: Callable[[], object]) -> None:
    try:
        talk()
    except (RuntimeError, dist.DistError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SegrnnError(
            "another process of this command has ended, so this one ends too: see what that process has said above. If "
            f"it has said nothing, it was killed, perhaps because the memory was full ({reason})"
        ) from error
