"""Freed memory is kept where the C library can, and nothing happens elsewhere."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from segrnn import memory

FAULTS = """
import resource, statistics, torch
from segrnn.memory import keep_freed_memory
torch.set_num_threads(1)
{first}
def step():
    large = [torch.zeros(2**24) + 1 for _ in range(2)]  # 64 MiB each: glibc never keeps more than 32 by itself
for _ in range(5):  # until each has found its place
    step()
counted = []
for _ in range(7):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    counted.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(statistics.median(counted))
"""


def faults(first: str) -> int:
    code = FAULTS.format(first=first)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.thorough
@pytest.mark.skipif(memory._function("mallopt") is None, reason="the C library is not glibc")
def test_steps_that_need_the_same_memory_have_no_page_faults() -> None:
    kept, released = faults("assert keep_freed_memory()"), faults("")
    assert released > 20_000  # in the median step
    assert kept < released / 100


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_left_alone(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert not memory.keep_freed_memory()


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        raise AssertionError("not glibc's")

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=refuse))
    assert not memory.keep_freed_memory()


def test_an_older_glibc_takes_the_largest_threshold_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {}

    def mallopt(option: int, value: int) -> int:
        if option == -3 and value > 2**25:
            return 0
        taken[option] = value
        return 1

    library = SimpleNamespace(gnu_get_libc_version=None, mallopt=mallopt)
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: library)
    assert memory.keep_freed_memory()
    assert taken == {-3: 2**25, -1: 2**31 - 1, -2: 2**28}
