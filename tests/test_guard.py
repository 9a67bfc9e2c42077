"""What is guarded can't reach out, and what is not guarded is left alone."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from segrnn.errors import CheckpointError
from segrnn.guard import no_side_effects


def connect() -> None:
    with socket.socket() as here:
        here.connect(("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda: Path("new").write_text("x"), "open new for writing"),
        (lambda: Path("new").write_bytes(b"x"), "open new for writing"),
        (lambda: os.open("new", os.O_CREAT), "open new for writing"),
        (lambda: os.mkdir("new"), "call os.mkdir"),
        (lambda: os.replace("old", "new"), "call os.rename"),
        (lambda: os.symlink("old", "new"), "call os.symlink"),
        (lambda: os.remove("old"), "call os.remove"),
        (lambda: os.system("touch new"), "call os.system"),
        (lambda: subprocess.run(["touch", "new"]), "call subprocess.Popen"),
        pytest.param(
            lambda: threading.Thread(target=lambda: Path("new").write_text("x")).start(),
            "call _thread.start_new_thread",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="older Pythons have no such audit event"),
        ),
        (lambda: socket.getaddrinfo("localhost", 80), "call socket.getaddrinfo"),
        (connect, "call socket.connect"),
    ],
)
def test_what_reaches_out_is_refused(
    act: Callable[[], object], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old").write_text("as it was")
    message = f"^the test tried to {what}, which is not allowed$"
    with pytest.raises(CheckpointError, match=message), no_side_effects("the test"):
        act()
    with pytest.raises(CheckpointError, match=message), no_side_effects("the test"), suppress(OSError):  # as a library
        act()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert Path("old").read_text() == "as it was"


def test_reading_computing_and_importing_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "first_seen.py").write_text("value = 7")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    with no_side_effects("the test"):
        import first_seen

        assert Path(tmp_path, "first_seen.py").read_text() == f"value = {first_seen.value}"
        Path(os.devnull).write_text("nothing")
    assert not (tmp_path / "__pycache__").exists()
    assert not sys.dont_write_bytecode


def test_other_threads_and_what_comes_after_are_free(tmp_path: Path) -> None:
    inside, done = threading.Event(), threading.Event()

    def write() -> None:
        inside.wait(10)
        (tmp_path / "theirs").write_text("x")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    with no_side_effects("the test"):
        inside.set()
        assert done.wait(10)
    thread.join()
    (tmp_path / "ours").write_text("x")
    with pytest.raises(ValueError, match="another reason"), no_side_effects("the test"):
        raise ValueError("another reason")


def test_an_interpreter_that_ends_says_nothing() -> None:
    code = """
import sys, os, segrnn.guard
with segrnn.guard.no_side_effects("the test"):
    pass
class Late:
    def __del__(self, open=open):
        open("/dev/null").close()
sys.kept = segrnn.guard  # so that the module is emptied, and not only given up
os.late = Late()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not result.stderr
