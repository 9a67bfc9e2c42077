"""SLURM's batch script, with stand-ins for the programs of a cluster."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "train.sbatch"


@pytest.mark.parametrize(("code", "requeues"), [(0, []), (2, []), (130, []), (143, ["requeue 17"])])
def test_a_run_that_was_told_to_end_is_queued_anew(code: int, requeues: list[str], tmp_path: Path) -> None:
    for name, exit_code in {"srun": code, "scontrol": 0}.items():
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}.txt\nexit {exit_code}\n')
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "17", "PYTHON": "python3"}
    done = subprocess.run(["bash", str(SCRIPT), "seed=3", "run_id=a b"], env=environment, cwd=tmp_path, check=False)
    assert done.returncode == code
    started = (tmp_path / "srun.txt").read_text()
    assert started == "--kill-on-bad-exit=1 python3 -m segrnn.train trainer=ddp ckpt=auto seed=3 run_id=a b\n"
    log = tmp_path / "scontrol.txt"
    assert (log.read_text().splitlines() if log.exists() else []) == requeues


def test_the_options_are_before_the_first_command() -> None:
    """sbatch reads no further."""
    lines = SCRIPT.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert max(options) < first
    assert {"#SBATCH --signal=USR1@120", "#SBATCH --requeue"} <= {lines[number] for number in options}
