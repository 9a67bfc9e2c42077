"""Several processes evaluate and predict: each image once, and the files of one process."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE, blocks, write_pair
from processes_together import run_together
from small_bundle import save_small_bundle

SLOW = """
import os, time
from pathlib import Path
from segrnn.evaluate import main
from segrnn.processes import rank
from segrnn.tasks.tally import Tally

original = Tally.update

def slow(*arguments):
    Path(f"rank_{rank()}").write_text(str(os.getpid()))
    time.sleep(rank())
    original(*arguments)

Tally.update = slow
main()
"""


def start(processes: int, command: str, *overrides: str) -> str:
    """Run a command in several processes and return what they have printed."""
    codes, told = run_together(processes, command, overrides, Path("told"))
    assert codes == [0] * processes, told
    return told


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven frames of CamVid of different sizes, and a network that was not trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rng = np.random.default_rng(0)
    Path("camvid").mkdir()
    Path("camvid/val.txt").write_text("".join(f"val/0001TP_{number:06d}.png\n" for number in range(7)))
    for number in range(7):
        ids = blocks(rng, [0, 1, 3, 8, 11], (SIZE[0] + number, SIZE[1]))
        stem = f"0001TP_{number:06d}"
        write_pair(Path(f"camvid/val/{stem}.png"), Path(f"camvid/valannot/{stem}.png"), ids, rng)
    save_small_bundle("bundle")
    return tmp_path


def contents(folder: Path) -> dict[str, object]:
    """The bytes of all files. The members of archives stand for these, whose bytes hold the time."""
    return {
        path.relative_to(folder).as_posix(): members(path) if path.suffix == ".zip" else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def members(archive: Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        return [(name, opened.read(name)) for name in opened.namelist()]


@pytest.mark.slow
def test_seven_images_are_scored_once_by_one_two_or_three_processes(data: Path) -> None:
    words = ["ckpt=bundle", "data=camvid", "data.root=camvid", "data.split=val", "data.workers=0"]
    words += ["examples.extremes=2", "examples.count=3"]
    told = [start(n, "evaluate", *words, f"hydra.run.dir=runs/{n}") for n in (1, 2, 3)]
    assert [lines.count("7 images, val of") for lines in told] == [1, 1, 1]
    one, two, three = (contents(Path(f"runs/{n}")) for n in (1, 2, 3))
    assert np.load("runs/3/confusion.npz")["counts"].sum() > 0
    assert one.keys() == two.keys() == three.keys()
    for others in (two, three):
        assert [name for name in one if one[name] != others[name]] == []


@pytest.mark.parametrize(
    ("format", "output"),
    [
        ("label_ids", "masks"),
        pytest.param("submission", "a.zip", marks=pytest.mark.slow),
        pytest.param("coco", "a.json", marks=pytest.mark.slow),
    ],
)
def test_seven_masks_are_written_once(data: Path, format: str, output: str) -> None:
    for n in (1, 2, 3):
        words = ["ckpt=bundle", "input=camvid/val", f"output={n}/{output}", f"format={format}"]
        told = start(n, "predict", *words)
        if format == "label_ids":
            assert told.count(f"7 masks (label_ids) in {n}/masks") == 1
    one, two, three = (contents(Path(str(n))) for n in (1, 2, 3))
    assert len(one["a.zip"] if format == "submission" else one) == {"label_ids": 8, "submission": 7, "coco": 1}[format]
    assert one == two == three


class Counted:
    """A metric of one's own that can't be merged."""

    def __init__(self, num_classes: int) -> None:
        self.images = 0

    def update(self, prediction: np.ndarray, target: np.ndarray) -> None:
        self.images += 1

    def to_dict(self, class_names: tuple[str, ...]) -> dict[str, int]:
        return {"images": self.images}


class Merged(Counted):
    """A metric of one's own for several processes."""

    def merge(self, other: "Merged") -> None:
        self.images += other.images


@pytest.mark.slow
def test_a_metric_of_ones_own_is_merged_or_refused(data: Path) -> None:
    words = ["ckpt=bundle", "data=camvid", "data.root=camvid", "data.split=val", "data.workers=0", "examples.count=1"]
    words += ["allow=[test_shared_work.]", "hydra.run.dir=scored"]
    start(2, "evaluate", *words, "metrics=[{_target_: test_shared_work.Merged}]")
    assert json.loads(Path("scored/metrics.json").read_text())["metrics"] == {"Merged": {"images": 7}}
    codes, told = run_together(2, "evaluate", [*words, "metrics=[{_target_: test_shared_work.Counted}]"], Path("told"))
    assert codes == [2, 2]
    assert "metrics[0]: test_shared_work.Counted counts in one process only: give it a method merge(other)" in told


def test_a_mistake_in_one_process_ends_the_others(data: Path) -> None:
    """The second image can't be read, which is one of the second process."""
    broken = Path("camvid/val/0001TP_000001.png")
    broken.write_bytes(broken.read_bytes()[:100])
    words = ["ckpt=bundle", "data=camvid", "data.root=camvid", "data.split=val", "data.workers=0"]
    codes, told = run_together(2, "evaluate", words, Path("told"))
    assert codes == [2, 2]
    assert "[process 1] error: camvid/val/0001TP_000001.png (100 bytes) can't be decoded" in told
    assert "error: another process of this command has ended, so this one ends too" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_killed_process_ends_all(data: Path) -> None:
    Path("slow.py").write_text(SLOW)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "slow.py"]
    words += ["ckpt=bundle", "data=camvid", "data.root=camvid", "data.split=val", "data.workers=0"]
    with Path("log").open("w") as log:
        process = subprocess.Popen([*words, "hydra.run.dir=ended"], stdout=log, stderr=log)
    try:
        for _ in range(2400):
            if Path("rank_1").exists() and Path("rank_1").read_text():
                break
            assert process.poll() is None, Path("log").read_text()
            time.sleep(0.1)
        os.kill(int(Path("rank_1").read_text()), signal.SIGKILL)
        start = time.monotonic()
        assert process.wait(60) == 1
        seconds = time.monotonic() - start
    finally:
        process.kill()
    told = Path("log").read_text()
    print(told)
    print(f"all processes have ended {seconds:.1f} s after one was killed")
    assert seconds < 30
    assert "Signal 9 (SIGKILL) received" in told
    assert not Path("ended/metrics.json").exists()
