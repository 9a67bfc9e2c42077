"""Which of several processes this one is, by the variables of those who start them."""

import os
import subprocess
import sys

import pytest
from conftest import SMALL, Run

from segrnn.process_group import process_group
from segrnn.processes import Place, place, rank, world_size

KNOWN = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "MASTER_ADDR")
SRUN = {"SLURM_PROCID": "2", "SLURM_NTASKS": "3", "SLURM_NTASKS_PER_NODE": "3", "SLURM_STEP_ID": "0"}
LIGHTNING = {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name in KNOWN or name.startswith(("SLURM_", "OMPI_", "PMI_", "MV2_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, Place("", 0, 1, 1)),
        (TORCHRUN, Place("torchrun", 5, 6, 2)),
        (TORCHRUN | SRUN, Place("torchrun", 5, 6, 2)),
        (SRUN, Place("srun", 2, 3, 3)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, Place("srun", 1, 2, None)),
        (SRUN | {"PMI_RANK": "2", "PMI_SIZE": "3"}, Place("srun", 2, 3, 3)),
        (SRUN | {"SLURM_JOB_NAME": "bash"}, Place("", 0, 1, 1)),
        (
            SRUN | {"SLURM_JOB_NAME": "interactive", "LOCAL_RANK": "1", "WORLD_SIZE": "2"},
            Place("Lightning", 1, 2, None),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Place("", 0, 1, 1)),
        (
            {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"},
            Place("Lightning", 1, 2, None),
        ),
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "2", "NODE_RANK": "0"}, Place("Lightning", 0, 2, None)),
        ({"NODE_RANK": "1"}, Place("Lightning", 1, 1, None)),
        ({"RANK": "3", "WORLD_SIZE": "4"}, Place("Lightning", 3, 4, None)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Place("mpirun", 1, 2, None)),
        # mpirun in a job whose variables each of its processes inherits
        (SRUN | {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Place("mpirun", 1, 2, None)),
        (SRUN | {"SLURM_PROCID": "0", "PMI_RANK": "1", "PMI_SIZE": "3"}, Place("mpirun", 1, 3, None)),
        ({"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"}, Place("mpirun", 1, 2, None)),
        ({"PMI_RANK": "0", "PMI_SIZE": "1", "OMPI_COMM_WORLD_SIZE": "1"}, Place("", 0, 1, 1)),
        ({"RANK": "first"}, Place("Lightning", 0, 1, None)),
    ],
    ids=str,
)
def test_the_place_of_a_process(variables: dict[str, str], expected: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert place() == expected
    assert (rank(), world_size()) == (expected.rank, expected.size)


def test_processes_that_know_each_other_are_asked_first() -> None:
    code = """
import torch.distributed as d
from segrnn.processes import rank, world_size
d.init_process_group("gloo", store=d.HashStore(), rank=0, world_size=1)
print(rank(), world_size())
"""
    environment = {**os.environ, **SRUN}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 1"  # older versions of torch say before that gloo is connected


@pytest.mark.parametrize(
    ("variables", "overrides", "message"),
    [
        (SRUN, ["trainer=cpu"], "srun started 3 processes here and 3 in all, but trainer.devices=1"),
        (SRUN | {"SLURM_NTASKS_PER_NODE": "3", "SLURM_PROCID": "0"}, ["trainer=cpu"], "or let srun start one process"),
        (SRUN, ["trainer=ddp_cpu", "trainer.devices=2"], "leave both out with trainer=ddp, ddp_cpu or fsdp"),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, ["trainer=ddp_cpu"], "--ntasks-per-node instead of --ntasks"),
        (TORCHRUN, ["trainer=cpu"], "torchrun started 2 processes here and 6 in all"),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, ["trainer=ddp_cpu"], "mpirun has started 2 processes"),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, ["trainer=cpu"], "torchrun --nproc-per-node 2"),
    ],
)
def test_processes_that_a_run_does_not_want_are_refused(
    variables: dict[str, str], overrides: list[str], message: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SEGRNN_RUN_ID", "run")
    small = [argument for argument in SMALL if not argument.startswith("trainer.accelerator")]
    assert run("train", *small, "data=camvid", "data.root=nowhere", *overrides) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_script_of_sbatch_trains_without_srun(run: Run, monkeypatch: pytest.MonkeyPatch, camvid, capsys) -> None:
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}.items():
        monkeypatch.setenv(name, value)
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "trainer.max_steps=1", "run_id=run") == 0
    assert "best checkpoint" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["export"], ["prepare", "stats"], ["benchmark", "contexts"]])
def test_one_process_is_enough_for_other_commands(
    command: list[str], run: Run, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name, value in SRUN.items():
        monkeypatch.setenv(name, value)
    assert run(*command, "nonsense=1") == 0
    captured = capsys.readouterr()
    assert captured.err == "process 2 of 3 has nothing to do here: the first process does the work\n"
    assert captured.out == ""
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert run(*command, "nonsense=1") == 2
    assert "there is no 'nonsense'" in capsys.readouterr().err


def test_processes_of_mpirun_share_no_images(run: Run, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name, value in {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert run("predict", "ckpt=none.ckpt", "input=photos", "output=masks") == 2
    assert "mpirun has started 2 processes, but only those of torchrun and srun share images" in capsys.readouterr().err


def test_a_script_of_sbatch_waits_for_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}.items():
        monkeypatch.setenv(name, value)
    with process_group() as group:
        assert (group.rank, group.size, group.share("abc")) == (0, 1, ["a", "b", "c"])
