"""One writer for each folder."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import SMALL, Run

import segrnn.claims
from segrnn.claims import FILE, claimed, is_claimed
from segrnn.errors import OutputError

HOLD = """
import sys, time
from pathlib import Path
import segrnn.claims as claims
claims._BEAT, claims._LEASE = float(sys.argv[2]), float(sys.argv[3])
with claims.claimed(Path(sys.argv[1]), print):
    print("claimed", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has claimed a folder."""
    command = [sys.executable, "-c", HOLD, str(folder), str(segrnn.claims._BEAT), str(segrnn.claims._LEASE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        try:
            yield process
        finally:
            process.kill()


def move_to(host: str, folder: Path) -> None:
    """Make it look as if the claim were one of another machine."""
    text = (folder / FILE).read_text(encoding="utf-8")
    (folder / FILE).write_text(re.sub("host=.*", f"host={host}", text), encoding="utf-8")


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with claimed(tmp_path / "new" / "folder", said.append):
            assert f"pid={os.getpid()}" in (tmp_path / "new" / "folder" / FILE).read_text(encoding="utf-8")
        assert not (tmp_path / "new" / "folder" / FILE).exists()
    with pytest.raises(ZeroDivisionError), claimed(tmp_path, said.append):
        raise ZeroDivisionError
    assert not (tmp_path / FILE).exists()
    assert said == []


def test_a_second_writer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segrnn.claims, "_BEAT", 0.3)
    with holder(tmp_path) as process:
        message = f"belongs to process {process.pid} on .*wait until it ends, or choose another"
        with pytest.raises(OutputError, match=message), claimed(tmp_path, print):
            pass
        assert (tmp_path / FILE).exists()


def test_the_claim_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    said: list[str] = []
    start = time.monotonic()
    with claimed(tmp_path, said.append):
        pass
    assert time.monotonic() - start < 2
    assert f"process {process.pid} on " in said[0]
    assert "has ended without removing its claim; this process takes the folder over" in said[0]


def test_the_number_of_a_killed_process_may_be_used_again(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    (tmp_path / FILE).write_text(text.replace(f"pid={process.pid}", f"pid={os.getppid()}"), encoding="utf-8")
    with claimed(tmp_path, lambda _: None):
        pass


def test_a_writer_on_another_machine_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segrnn.claims, "_BEAT", 0.2)
    monkeypatch.setattr(segrnn.claims, "_LEASE", 2.0)
    said: list[str] = []
    with holder(tmp_path) as process:
        move_to("elsewhere", tmp_path)
        with pytest.raises(OutputError, match="on elsewhere"), claimed(tmp_path, said.append):
            pass
        process.kill()
        process.wait()
        with claimed(tmp_path, said.append):
            pass
    assert ["sign that it still runs" in line for line in said] == [True, False]
    assert "on elsewhere has ended" in said[1]


def test_a_file_that_is_no_claim_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segrnn.claims, "_BEAT", 0.1)
    monkeypatch.setattr(segrnn.claims, "_LEASE", 0.5)  # less than what the library waits for such a file
    (tmp_path / FILE).write_text("something else\n" * 100, encoding="utf-8")
    with pytest.raises(OutputError, match=f"remove .*{FILE}"), claimed(tmp_path, lambda _: None):
        pass


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can't be written"), claimed(tmp_path / "file" / "run", print):
        pass


TAKE = """
import sys, time
from pathlib import Path
from segrnn.claims import claimed
from segrnn.errors import OutputError
folder = Path(sys.argv[1])
sys.stdin.readline()
try:
    with claimed(folder, lambda _: None):
        (folder / "inside").mkdir()  # fails if another one is inside
        time.sleep(8)
        (folder / "inside").rmdir()
        print("took")
except OutputError:
    print("refused")
"""


@pytest.mark.thorough
def test_one_of_many_takes_a_claim_over(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    takers = [subprocess.Popen([sys.executable, "-c", TAKE, str(tmp_path)], **pipes) for _ in range(6)]
    time.sleep(2)
    for taker in takers:
        taker.stdin.write("\n")
        taker.stdin.flush()
    assert sorted(taker.communicate(timeout=60)[0] for taker in takers) == ["refused\n"] * 5 + ["took\n"]


@pytest.mark.slow
def test_a_run_and_a_search_claim_their_folders(
    run: Run, camvid: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(segrnn.claims, "_BEAT", 0.3)
    arguments = [*SMALL, "data=camvid", f"data.root={camvid}"]
    with holder(Path("runs/train/mine")):
        for ckpt in ("null", "auto"):
            assert run("train", *arguments, "run_id=mine", f"ckpt={ckpt}") == 2
            assert "runs/train/mine belongs to process" in capsys.readouterr().err
        assert [path.name for path in Path("runs/train/mine").iterdir()] == [FILE]
    study = ["study.name=mine", "study.trials=1", "study.space={optimizer.lr: {low: 0.001, high: 0.1}}"]
    with holder(Path("runs/search/mine")):
        assert run("search", *arguments, *study) == 2
        assert "runs/search/mine belongs to process" in capsys.readouterr().err
    assert run("train", *arguments, "trainer.max_steps=1", "run_id=mine") == 0
    assert "runs/train/mine: process" in capsys.readouterr().out
    assert not Path("runs/train/mine", FILE).exists()


def test_others_see_whether_a_folder_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segrnn.claims, "_BEAT", 0.2)
    assert not is_claimed(tmp_path)
    with holder(tmp_path) as process:
        assert is_claimed(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.7)  # more than three signs of life
        assert not is_claimed(tmp_path)
    assert (tmp_path / FILE).exists()  # the next writer takes it over
    move_to("elsewhere", tmp_path)
    assert is_claimed(tmp_path)  # nobody here can know whether it runs
    long_ago = time.time() - segrnn.claims._LEASE - 1
    os.utime(tmp_path / FILE, (long_ago, long_ago))
    assert not is_claimed(tmp_path)
