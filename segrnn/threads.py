"""How many threads the arithmetic of a process takes: processes share out the cores and don't fight for them."""

import os

import torch

from segrnn.processes import cores

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def share_cores(processes: int) -> str:
    """Give torch as many threads as this process has cores, and return how many these are, for the user.

    By itself, torch takes a thread for each core that it sees. Several processes that do so wait for each other, and so
    does a process in a container that may use the time of fewer cores. A number of threads that the environment has is
    left as it is: the user's, or the single thread that torchrun chooses for each of several processes.

    Args:
        processes: how many compute on this machine.

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
    return f"on the CPU with {_count(threads, 'thread')}{each}{source}; {_count(seen, 'core')} can be used"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
