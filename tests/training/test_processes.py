"""Several processes: they take one process's steps, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from socket import socket

import numpy as np
import psutil
import pytest
import torch
from conftest import SMALL
from recorded_steps import RECORDED

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "recorded.py"]
LIGHTNING = [sys.executable, "recorded.py"]

RECIPE = [*(argument for argument in SMALL if not argument.startswith("trainer.accelerator")), "data=camvid"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recorded.py").write_text(RECORDED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steps(run_id: str, rank: int = 0) -> list:
    return [json.loads(line) for line in Path(f"runs/train/{run_id}/steps_{rank}.jsonl").read_text().splitlines()]


def confusion(run_id: str) -> np.ndarray:
    return np.load(f"runs/train/{run_id}/confusion.npz")["counts"]


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(TORCHRUN, id="torchrun", marks=pytest.mark.thorough),
        pytest.param(LIGHTNING, id="lightning", marks=pytest.mark.slow),
    ],
)
def test_two_processes_are_one(folder: Path, camvid: Path, launcher: list[str]) -> None:
    """With batch norms, crops of unlike void, and 5 validation images, which 2 does not divide; without dropout."""
    recipe = [*RECIPE, f"data.root={camvid}", "trainer.max_steps=6", "data.scale=[0.3,3]"]
    recipe += ["auxiliary=fcn", "auxiliary.dropout=0"]
    for precision in ("32-true", "64-true") if launcher is TORCHRUN else ("64-true",):
        one, two = f"one_{precision}", f"two_{precision}"
        run = [*recipe, f"trainer.precision={precision}", "logger=wandb"]
        if precision == "32-true":
            # kernels round otherwise for another number of images, and at the usual rate steps make ten times as much
            # of it each; the digits of 64-true last at that rate
            run += ["optimizer.lr=1e-3", "optimizer.recurrent_lr=1e-3"]
        subprocess.run([*LIGHTNING, *run, "trainer=cpu", f"run_id={one}"], check=True)
        subprocess.run([*launcher, *run, "trainer=ddp_cpu", f"run_id={two}"], check=True)
        assert [step[:2] for step in steps(two)] == [step[:2] for step in steps(one)]
        assert steps(two, rank=1) == steps(two)  # all processes know the whole batch's loss
        tolerance = 1e-6 if precision == "32-true" else 1e-10
        np.testing.assert_allclose([loss for *_, loss in steps(two)], [loss for *_, loss in steps(one)], rtol=tolerance)
        assert confusion(two).sum() == confusion(one).sum()
        assert len(list(Path(f"runs/train/{two}").rglob("offline-run-*"))) == 1
    # rounding moves weights, and with them single pixels: with enough digits, it does not
    np.testing.assert_array_equal(confusion("two_64-true"), confusion("one_64-true"))
    one, two = (Path(f"runs/train/{name}_64-true/panels.png").read_bytes() for name in ("one", "two"))
    assert one == two  # images of both processes


def started_by_srun(command: list[str], tasks: int, number: str) -> list[subprocess.CompletedProcess[str]]:
    """Processes with the variables that srun gives to the tasks of a step, on one machine; all at once."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "SLURM_JOB_ID": number,
        "SLURM_JOB_NAME": "segrnn",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": str(tasks),
        "SLURM_NPROCS": str(tasks),
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_NTASKS_PER_NODE": str(tasks),
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "localhost",
        "SLURM_JOB_NODELIST": "localhost",
        "MASTER_PORT": str(port),
    }
    processes = []
    for task in range(tasks):
        own = {"SLURM_PROCID": str(task), "SLURM_LOCALID": str(task)}
        environment = {**os.environ, **shared, **own}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, env=environment, **pipes))
    done = []
    for process in processes:
        out, err = process.communicate(timeout=240)
        done.append(subprocess.CompletedProcess(command, process.returncode, out, err))
    return done


@pytest.mark.thorough
def test_the_tasks_of_srun_are_one_run_with_one_writer(folder: Path, camvid: Path) -> None:
    recipe = [*RECIPE, f"data.root={camvid}", "trainer=ddp_cpu", "logger=wandb", "logger.mode=offline"]
    tasks = started_by_srun([*LIGHTNING, *recipe], 4, "4711")
    assert [task.returncode for task in tasks] == [0] * 4, tasks
    assert [task.stdout.count("best checkpoint") for task in tasks] == [1, 0, 0, 0]
    assert [task.stdout.count("run directory") for task in tasks] == [1, 0, 0, 0]
    (run,) = Path("runs/train").iterdir()
    assert run.name == "slurm_4711_0"
    assert len(list(run.rglob("offline-run-*"))) == 1
    assert len(list(run.rglob("metrics.csv"))) == 1
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt", "previous.ckpt"]
    assert sorted(path.name for path in run.iterdir() if path.is_dir()) == ["checkpoints", "csv", "wandb"]
    assert (run / "config.yaml").is_file()
    assert (run / "metrics.json").is_file()


@pytest.mark.thorough
def test_the_tasks_of_srun_are_processes_of_torchrun(folder: Path, camvid: Path) -> None:
    recipe = [*RECIPE, f"data.root={camvid}", "trainer=ddp_cpu"]
    started_by_srun([*LIGHTNING, *recipe], 4, "4711")
    (run,) = Path("runs/train").iterdir()
    torchrun = ["4" if word == "2" else word for word in TORCHRUN]
    subprocess.run([*torchrun, *recipe, "run_id=other"], check=True)
    assert steps("other") == steps(run.name)
    one, other = (
        torch.load(f"runs/train/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in (run.name, "other")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())

    again = started_by_srun([*LIGHTNING, *recipe], 4, "4711")
    assert [task.returncode for task in again] == [2] * 4
    assert ["holds a run already" in task.stderr for task in again] == [True] * 4
    single = started_by_srun([*LIGHTNING, *RECIPE, f"data.root={camvid}", "trainer=cpu"], 4, "4712")
    assert [task.returncode for task in single] == [2] * 4
    assert all("srun started 4 processes" in task.stderr and "Traceback" not in task.stderr for task in single)
    assert not Path("runs/train/slurm_4712_0/checkpoints").exists()


def end(launcher: list[str], overrides: list[str], number: int, log: Path, rank: int = 1) -> tuple[int, float]:
    """Start a run, end its whole process group after some steps; its exit code, and how long it took to end."""
    with log.open("w") as file:
        process = subprocess.Popen([*launcher, *overrides], stdout=file, stderr=file, start_new_session=True)
    try:
        record = Path(f"runs/train/ended/steps_{rank}.jsonl")
        before = len(record.read_text().splitlines()) if record.exists() else 0
        for _ in range(600):
            if record.exists() and len(record.read_text().splitlines()) > before + 7:
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        os.killpg(process.pid, number)
        start = time.monotonic()
        return process.wait(60), time.monotonic() - start
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "workers", [pytest.param(0, marks=pytest.mark.thorough), pytest.param(2, marks=pytest.mark.thorough)]
)
def test_kill_9(folder: Path, camvid: Path, workers: int) -> None:
    recipe = [*RECIPE, f"data.root={camvid}", "trainer=cpu", f"data.workers={workers}", "trainer.max_steps=40"]
    recipe += ["trainer.ema_decay=0.9", "trainer.micro_batch_size=2", "checkpoint.every_n_steps=3"]
    exit_code, _ = end(LIGHTNING, [*recipe, "run_id=ended"], signal.SIGKILL, folder / "log", rank=0)
    assert exit_code == -signal.SIGKILL
    killed = steps("ended")
    assert len(killed) < 40
    Path("runs/train/ended/steps_0.jsonl").unlink()
    subprocess.run([*LIGHTNING, *recipe, "run_id=ended", "ckpt=auto"], check=True)
    subprocess.run([*LIGHTNING, *recipe, "run_id=whole"], check=True)
    whole, resumed = steps("whole"), steps("ended")
    assert killed == whole[: len(killed)]
    assert 0 < resumed[0][0] <= len(killed)
    assert resumed == whole[resumed[0][0] :]
    one, other = (
        torch.load(f"runs/train/{run}/checkpoints/last.ckpt", weights_only=True) for run in ("whole", "ended")
    )
    for part in ("state_dict", "current_model_state"):
        assert all(torch.equal(tensor, other[part][name]) for name, tensor in one[part].items())


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(TORCHRUN, id="torchrun", marks=pytest.mark.thorough),
        pytest.param(LIGHTNING, id="lightning", marks=pytest.mark.thorough),
    ],
)
def test_a_signal_to_all_processes_ends_and_resumes_exactly(folder: Path, camvid: Path, launcher: list[str]) -> None:
    recipe = [*RECIPE, f"data.root={camvid}", "trainer=ddp_cpu", "data.workers=1", "trainer.validate_every_n_steps=9"]
    endless = [*recipe, "trainer.max_steps=100000", "schedule=constant", "run_id=ended", "ckpt=auto"]
    ends = int(os.environ.get("SEGRNN_ENDS", "2"))
    for _ in range(ends):
        log = folder / "log"
        exit_code, seconds = end(launcher, endless, signal.SIGTERM, log)
        print(f"exit code {exit_code} after {seconds:.1f} s")
        assert exit_code == (143 if launcher is LIGHTNING else 1), log.read_text()  # torchrun has its own
        assert seconds < 30
        assert "the run was ended after step" in log.read_text()
        saved = torch.load("runs/train/ended/checkpoints/last.ckpt", weights_only=True)["global_step"]
        assert saved == steps("ended")[-1][0] + 1
    taken = steps("ended")
    assert [step for step, *_ in taken] == list(range(len(taken)))  # none twice, none left out
    whole = [*endless, f"trainer.max_steps={len(taken)}", "run_id=whole"]
    subprocess.run([*launcher, *whole], check=True)
    assert steps("whole") == taken


@pytest.mark.thorough
def test_a_checkpoint_of_four_processes_resumes_on_two(folder: Path, camvid: Path) -> None:
    recipe = [*RECIPE, f"data.root={camvid}", "trainer=ddp_cpu", "trainer.precision=64-true", "schedule=constant"]
    four = ["4" if word == "2" else word for word in TORCHRUN]
    subprocess.run([*four, *recipe, "trainer.max_steps=3", "run_id=moved"], check=True)
    assert len(steps("moved", rank=3)) == 3
    subprocess.run([*TORCHRUN, *recipe, "trainer.max_steps=6", "run_id=moved", "ckpt=auto"], check=True)
    subprocess.run([*four, *recipe, "trainer.max_steps=6", "run_id=whole"], check=True)
    moved, whole = steps("moved"), steps("whole")
    assert [step[:2] for step in moved] == [step[:2] for step in whole]
    np.testing.assert_allclose([loss for *_, loss in moved], [loss for *_, loss in whole], rtol=1e-10)
    np.testing.assert_array_equal(confusion("moved"), confusion("whole"))


def start_agent(port: int, is_host: bool, overrides: list[str]) -> subprocess.Popen[bytes]:
    """Start one node of a training that goes on with the nodes that are left."""
    words = ["--nnodes=1:2", "--nproc-per-node=1", "--max-restarts=2", "--rdzv-id=elastic", "--rdzv-backend=c10d"]
    words += [f"--rdzv-endpoint=127.0.0.1:{port}", f"--rdzv-conf=last_call_timeout=60,is_host={is_host}"]
    with Path("first" if is_host else "second").open("w") as file:
        command = [sys.executable, "-m", "torch.distributed.run", *words, "recorded.py", *overrides]
        return subprocess.Popen(command, stdout=file, stderr=file)


def kill_node(agent: subprocess.Popen[bytes]) -> None:
    """Kill an agent together with its processes."""
    if agent.poll() is None:
        parent = psutil.Process(agent.pid)
        for process in [parent, *parent.children(recursive=True)]:
            process.kill()
        agent.wait()


@pytest.mark.thorough
def test_a_killed_node_leaves_the_other_one_to_go_on(folder: Path, camvid: Path) -> None:
    """Two agents of torchrun stand for two nodes. The second one is killed with its process."""
    recipe = [*RECIPE, f"data.root={camvid}", "trainer=ddp_cpu", "trainer.precision=64-true"]
    recipe += ["trainer.max_steps=40", "trainer.validate_every_n_steps=40", "checkpoint.every_n_steps=3"]
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    agents = [start_agent(port, is_host, [*recipe, "run_id=elastic", "ckpt=auto"]) for is_host in (True, False)]
    try:
        record = Path("runs/train/elastic/steps_1.jsonl")
        while not record.exists() or len(record.read_text().splitlines()) < 8:
            assert [agent.poll() for agent in agents] == [None, None], Path("first").read_text()
            time.sleep(0.1)
        kill_node(agents[1])
        assert agents[0].wait(600) == 0, Path("first").read_text()
    finally:
        for agent in agents:
            kill_node(agent)
    before = len(record.read_text().splitlines())
    subprocess.run([*LIGHTNING, *recipe, "trainer=cpu", "run_id=whole"], check=True)
    whole, both = steps("whole"), steps("elastic")
    resumed = next(place for place in range(1, len(both)) if both[place][0] <= both[place - 1][0])
    assert before - 1 <= resumed < 40
    assert both[resumed][0] > 0  # from a checkpoint
    parts = both[:resumed], both[resumed:]
    for part in parts:
        expected = whole[part[0][0] : part[0][0] + len(part)]
        assert [step[:2] for step in part] == [step[:2] for step in expected]
        np.testing.assert_allclose([loss for *_, loss in part], [loss for *_, loss in expected], rtol=1e-8)
    assert parts[1][-1][0] == 39
