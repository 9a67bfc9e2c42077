"""The number of threads for the arithmetic of a process, so that processes do not compete for cores."""

import os

import torch

from segrnn.processes import cores
from segrnn.text import counted

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def share_cores(processes: int) -> str:
    """Give torch as many threads as this process has cores, and return a message for the user about their number.

    By default, torch uses a thread for each core that it sees. If several processes do so, they wait for each other. A
    process in a container may also be slowed down, because it may use the time of fewer cores. If the environment sets
    a number of threads, it is not changed. The user may have set it, or torchrun, which sets a single thread for each
    of several processes.

    Args:
        processes: the number of processes that compute on this machine.

    Example:
        >>> share_cores(processes=1).startswith("on the CPU with ")
        True
    """
    told = next((variable for variable in _VARIABLES if variable in os.environ), None)
    if told is None:
        torch.set_num_threads(min(torch.get_num_threads(), cores(processes)))
    threads, seen = torch.get_num_threads(), cores()
    each = f" in each of {processes} processes" if processes > 1 else ""
    source = f" ({told}={os.environ[told]})" if told else ""
    return f"on the CPU with {counted(threads, 'thread')}{each}{source}; {counted(seen, 'core')} can be used"
