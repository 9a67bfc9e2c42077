"""Processes share out the cores of a machine, and say what they have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segrnn import processes, threads


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 16 cores on which nobody has chosen; a file for the limit of its container."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", *(name for name in os.environ if "SLURM" in name)):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(processes, "_QUOTA", tmp_path / "cpu.max")
    taken = [16]
    monkeypatch.setattr(torch, "get_num_threads", lambda: taken[-1])
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    return tmp_path / "cpu.max"


def test_a_process_alone_takes_all_cores(machine: Path) -> None:
    assert threads.share_cores(1) == "on the CPU with 16 threads; 16 cores can be used"
    machine.write_text("max 100000\n")
    assert threads.share_cores(1) == "on the CPU with 16 threads; 16 cores can be used"


def test_processes_share_the_cores(machine: Path) -> None:
    assert threads.share_cores(4) == "on the CPU with 4 threads in each of 4 processes; 16 cores can be used"
    assert threads.share_cores(40) == "on the CPU with 1 thread in each of 40 processes; 16 cores can be used"


@pytest.mark.parametrize(("limit", "cores"), [("150000 100000", "2 cores"), ("50000 100000", "1 core")])
def test_the_limit_of_a_container_counts(limit: str, cores: str, machine: Path) -> None:
    machine.write_text(limit)
    assert threads.share_cores(1) == f"on the CPU with {cores.replace('core', 'thread')}; {cores} can be used"


def test_tasks_of_slurm_with_cores_of_their_own_keep_them(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROCID": "1", "NTASKS": "2", "CPUS_PER_TASK": "6"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert threads.share_cores(2) == "on the CPU with 6 threads in each of 2 processes; 6 cores can be used"


def test_torch_may_have_fewer_than_cores(machine: Path) -> None:
    """Where two cores are two threads of one."""
    torch.set_num_threads(8)
    assert threads.share_cores(1) == "on the CPU with 8 threads; 16 cores can be used"


def test_no_more_processes_load_data_than_there_are_cores(machine: Path) -> None:
    assert [processes.loading_processes(None, together) for together in (1, 8, 40)] == [4, 2, 1]
    assert [processes.loading_processes(told, 8) for told in (0, 1, 12)] == [0, 1, 12]
    machine.write_text("200000 100000")
    assert processes.loading_processes(None) == 2


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_what_the_user_says_counts(variable: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(3)
    monkeypatch.setenv(variable, "3")
    assert (
        threads.share_cores(8)
        == f"on the CPU with 3 threads in each of 8 processes ({variable}=3); 16 cores can be used"
    )
    assert torch.get_num_threads() == 3


@pytest.mark.slow
def test_torchrun_chooses_one_thread_and_it_is_said() -> None:
    code = "from segrnn.threads import share_cores; print(share_cores(2))"
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python", sys.executable, "-c", code]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, *launcher], capture_output=True, text=True, env=environment, check=True)
    said = "on the CPU with 1 thread in each of 2 processes (OMP_NUM_THREADS=1); "
    assert done.stdout.count(said) == 2


def test_a_loading_process_is_one_thread() -> None:
    code = "import cv2; from segrnn.datasets.stream import start_loading; start_loading(0); print(cv2.getNumThreads())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
