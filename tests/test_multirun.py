"""Sweeps (-m): what one process after the other can run, and what needs jobs of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import SMALL, Run

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra slurm")

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}


@pytest.mark.parametrize("environment", [{}, TORCHRUN], ids=["Lightning's processes", "torchrun's processes"])
def test_several_processes_would_each_run_the_whole_sweep(
    environment: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    arguments = [*SMALL, "trainer=ddp_cpu", "run_id=sweep", "data=camvid", "data.root=nowhere"]
    assert run("train", "-m", *arguments, "context=renet_rnn,renet_gru") == 2
    assert "hydra/launcher" in capsys.readouterr().err


def test_the_launcher_of_slurm_builds_on_the_plugin(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "hydra/launcher=segrnn_slurm", "--cfg", "hydra", "-p", "hydra.launcher") == 0
    shown = capsys.readouterr().out
    assert "_target_: hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher" in shown
    assert "signal_delay_s: 120" in shown
    assert "max_num_timeout: 20" in shown


@contextmanager
def sweep_of_jobs(*overrides: str) -> Iterator[subprocess.Popen[bytes]]:
    """Jobs on this machine, and the process that waits for them."""
    command = [sys.executable, "-m", "segrnn.train", "-m", "hydra/launcher=submitit_local", *overrides]
    with subprocess.Popen(command) as sweep:
        try:
            yield sweep
        finally:
            sweep.terminate()


@pytest.mark.thorough
def test_a_sweep_of_jobs(run: Run, camvid: Path) -> None:
    with sweep_of_jobs(*SMALL, "run_id=sweep", "data=camvid", f"data.root={camvid}", "seed=0,1") as sweep:
        assert sweep.wait(120) == 0
    for number in range(2):
        assert Path(f"runs/train/sweep/{number}/metrics.json").is_file()


@pytest.mark.thorough
def test_a_job_that_is_preempted_goes_on(run: Run, camvid: Path) -> None:
    steps = ["trainer.max_steps=200", "trainer.validate_every_n_steps=200"]
    data = ["data=camvid", f"data.root={camvid}"]
    first = Path("runs/train/sweep/0/csv/metrics.csv")
    until = time.monotonic() + 60
    with sweep_of_jobs(*SMALL, *steps, *data, "run_id=sweep", "ckpt=auto") as sweep:
        while not first.exists() or len(first.read_text().splitlines()) < 3:  # it has come to step 10
            assert time.monotonic() < until
            assert sweep.poll() is None
            time.sleep(0.1)
        (log,) = Path("runs/train/sweep/.submitit").glob("*/*_0_log.out")
        job = log.parent.name  # the process that starts the job's task
        for task in Path(f"/proc/{job}/task/{job}/children").read_text().split():
            os.kill(int(task), signal.SIGUSR2)  # as submitit does at the time limit, and SLURM where it preempts
        assert sweep.wait(120) == 0
    (curves,) = Path("runs/train/sweep/0").glob("from_step_*")
    step = int(curves.name.removeprefix("from_step_"))
    assert 10 <= step < 200
    assert f"last.ckpt, step {step} of 200" in log.read_text()
    assert Path("runs/train/sweep/0/metrics.json").is_file()
