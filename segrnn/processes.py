"""The number of this process among several, for any program that has started them, and the cores it may use."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""The file in which Linux gives a container's CPU time and the period that it may use it in, both in microseconds."""


@dataclass(frozen=True)
class Place:
    """The place of this process among the processes that work together.

    Args:
        launcher: the program that has started the processes; empty for a process that was started alone.
        rank: the number of this process, from 0.
        size: the number of processes.
        local_size: the number of processes on this machine; None if the launcher does not say.
    """

    launcher: str
    rank: int
    size: int
    local_size: int | None


_MPIRUN = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
)
"""The variables for rank and size in Open MPI and MVAPICH."""

_PMI = ("PMI_RANK", "PMI_SIZE")
"""The variables for rank and size in MPICH and Intel MPI. srun sets them too."""


def place() -> Place:
    """Return this process's place by the variables of torchrun, MPI, SLURM's srun and Lightning, in this order.

    A launcher may itself have been started by another launcher, for example mpirun in a job of SLURM. The innermost
    launcher counts. So the order goes from launchers that never start others to launchers that may start all others.

    Example:
        >>> place()
        Place(launcher='', rank=0, size=1, local_size=1)
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return Place("torchrun", _number("RANK", 0), _number("WORLD_SIZE", 1), _number("LOCAL_WORLD_SIZE", 1))
    for rank, size in _MPIRUN:
        if _number(size, 1) > 1:
            return Place("mpirun", _number(rank, 0), _number(size, 1), None)
    if _started_by_srun():
        local_size = _number("SLURM_NTASKS_PER_NODE", 0) or None
        return Place("srun", _number("SLURM_PROCID", 0), _number("SLURM_NTASKS", 1), local_size)
    rank, size = _PMI
    if _number(size, 1) > 1:
        return Place("mpirun", _number(rank, 0), _number(size, 1), None)
    if {"RANK", "LOCAL_RANK", "NODE_RANK"} & os.environ.keys():
        # Lightning sets no rank over all machines; this number is 0 for the first process and for no other
        own = _number("NODE_RANK", 0) * _number("LOCAL_WORLD_SIZE", 1) + _number("LOCAL_RANK", 0)
        return Place("Lightning", _number("RANK", own), _number("WORLD_SIZE", 1), None)
    return Place("", 0, 1, 1)


def _started_by_srun() -> bool:
    """Tell whether this is one of several tasks of srun. As in Lightning, a shell that SLURM has started is not one."""
    if os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive") or "SLURM_PROCID" not in os.environ:
        return False
    tasks = ("SLURM_PROCID", "SLURM_NTASKS")
    # an mpirun inside the job gives its processes other numbers
    agrees = all(os.environ.get(pmi) in (None, os.environ.get(task)) for pmi, task in zip(_PMI, tasks, strict=True))
    return _number("SLURM_NTASKS", 1) > 1 and agrees


def is_batch_script() -> bool:
    """Tell whether this process runs directly in a script of sbatch, without srun. Then no other tasks were started."""
    return place().launcher == "srun" and place().rank == 0 and "SLURM_STEP_ID" not in os.environ


def cores(processes: int = 1) -> int:
    """Return how many CPU cores this process may use. Schedulers and containers often give it fewer than there are.

    Args:
        processes: how many processes share the cores that this process sees. It is ignored for tasks of SLURM that were
            given their own cores.

    Example:
        >>> cores() >= cores(processes=2) >= 1
        True
    """
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = map(int, _QUOTA.read_text().split())
        seen = min(seen, -(-time // period))
    except (OSError, ValueError):  # another system, or the word "max", which means no limit
        pass
    own = _number("SLURM_CPUS_PER_TASK", 0) if _started_by_srun() else 0
    return min(seen, own) if own > 0 else max(1, seen // processes)


def loading_processes(told: int | None, processes: int = 1) -> int:
    """Return how many processes load data for this one: what the user told, else one for each core, at most 4.

    Args:
        told: the user's number, or None.
        processes: how many processes share the cores and load data of their own.

    Example:
        >>> loading_processes(0), loading_processes(None) <= 4
        (0, True)
    """
    return min(4, cores(processes)) if told is None else told


def _number(variable: str, default: int) -> int:
    try:
        return int(os.environ[variable])
    except (KeyError, ValueError):
        return default


def rank() -> int:
    """Return the number of this process among the processes that work together. Number 0 prints and writes files."""
    distributed = _distributed()
    return place().rank if distributed is None else int(distributed.get_rank())


def local_rank() -> int:
    """Return the number of this process among those of its machine, by the variables of torchrun and srun."""
    return _number("LOCAL_RANK", _number("SLURM_LOCALID", 0))


def world_size() -> int:
    """Return the number of processes that work together."""
    distributed = _distributed()
    return place().size if distributed is None else int(distributed.get_world_size())


def _distributed() -> Any:
    """Return torch's module for several processes if it is loaded and initialised, or None.

    This module doesn't load torch.
    """
    module = sys.modules.get("torch.distributed")
    return module if module is not None and module.is_available() and module.is_initialized() else None
