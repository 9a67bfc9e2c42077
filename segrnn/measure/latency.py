"""Time and memory of several ways to do the same work."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = Callable[[], Any]
"""The function that is measured."""


@dataclass(frozen=True)
class Latency:
    """The time and the memory of one way.

    Args:
        seconds: the time of each run.
        peak_mib: the most memory that the way's process took in addition to its memory before the first run. None if
            the system does not report it.
    """

    seconds: tuple[float, ...]
    peak_mib: float | None

    @property
    def median(self) -> float:
        """Return the median of the seconds."""
        return statistics.median(self.seconds)


def measure_latencies(
    ways: Mapping[str, Callable[[], Work]], repeats: int, step: Callable[[], None] = lambda: None
) -> dict[str, Latency]:
    """Measure several ways side by side. Each has a process of its own, so that its memory can be measured.

    Every round runs each way once. So a machine that slows down slows all ways. A first round only warms up.

    Args:
        ways: for each way, by name, a function that prepares it in its process and returns the function to measure. It
            must be possible to pickle it.
        repeats: the number of rounds that count.
        step: a function that is called after each run, `repeats` + 1 times for each way.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as stack:
        # spawn, because a forked process would share the memory of its parent
        context = multiprocessing.get_context("spawn")
        pools = {name: stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for name in ways}
        for name, prepare in ways.items():
            pools[name].submit(_prepare, prepare).result()
        for _ in range(repeats + 1):
            for name, pool in pools.items():
                seconds[name].append(pool.submit(_run).result())
                step()
        peaks = {name: pool.submit(_peak).result() for name, pool in pools.items()}
    return {name: Latency(tuple(seconds[name][1:]), peaks[name]) for name in ways}


_STATUS = Path("/proc/self/status")
_prepared: tuple[Work, float | None]


def _prepare(prepare: Callable[[], Work]) -> None:
    global _prepared
    work = prepare()
    _prepared = work, _memory("VmRSS")


def _run() -> float:
    start = time.perf_counter()
    _prepared[0]()
    return time.perf_counter() - start


def _peak() -> float | None:
    before, most = _prepared[1], _memory("VmHWM")
    return None if before is None or most is None else most - before


def _memory(key: str) -> float | None:
    """Return a figure of the process's memory in MiB, as Linux reports it; None on other systems."""
    if not _STATUS.exists():
        return None
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024
