"""The one entry to all commands, ``segrnn`` or ``python -m segrnn``."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import SMALL, Run
from test_architecture import COMMANDS, loaded_by

import segrnn
import segrnn.__main__

ROOT = Path(segrnn.__file__).parent.parent
VERSIONS = f"segrnn {segrnn.__version__}, torch {version('torch')}, Lightning {version('pytorch-lightning')}\n"


def start(*words: str) -> subprocess.CompletedProcess[str]:
    """Start the entry in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "segrnn", *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["__main__", "train", "predict", "export", "prepare", "benchmark"])
def test_every_command_says_the_versions(command: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--version") == 0
    assert capsys.readouterr().out == VERSIONS


def test_help_lists_the_commands(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"]):
        assert run("__main__", *words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "usage: segrnn COMMAND [key=value ...]"
        assert {line.split()[0] for line in lines if re.match(" +[a-z]", line)} == set(COMMANDS)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tarin", "error: segrnn has no command 'tarin' (did you mean train?):\n  train "),
        ("export_model", "error: segrnn has no command 'export_model' (did you mean export?):\n"),
        ("context=none", "error: segrnn has no command 'context=none':\n  train "),
    ],
)
def test_a_mistyped_command(word: str, message: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("__main__", word) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("segrnn ev", {"evaluate"}),
        ("segrnn ", set(COMMANDS)),
        ("segrnn prepare s", {"stats"}),
        ("segrnn train data=cam", {"data=camvid", "data=camvid_original"}),
        ("segrnn train data=camvid trainer.max_m", {"trainer.max_minutes="}),
        ("segrnn prepare stats data=cam", {"data=camvid", "data=camvid_original"}),
    ],
)
def test_bash_completes(line: str, choices: set[str], tmp_path: Path) -> None:
    console = tmp_path / "segrnn"
    console.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m segrnn "$@"\n')
    console.chmod(0o755)
    script = """eval "$(segrnn --completion)"; COMP_LINE=$1; COMP_POINT=${#1}; _segrnn; echo "${COMPREPLY[@]}" """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["bash", "-c", script, "bash", line], env=environment, capture_output=True, text=True, check=True
    )
    assert set(found.stdout.split()) == choices


def test_the_list_of_commands_needs_no_library() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from segrnn.__main__ import main; main()"
    assert not loaded_by(code) & {"torch", "numpy", "hydra", "omegaconf", "rich"}


def test_the_console_script_is_this_entry() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["scripts"] == {"segrnn": "segrnn.__main__:main"}


@pytest.mark.parametrize("command", ["train", "export"])  # a module, and a package with a module that starts it
def test_the_rest_of_the_line_goes_to_the_command(command: str) -> None:
    done = start(command, "nonsense=1")
    assert done.returncode == 2
    assert "error: there is no 'nonsense' in the configuration" in done.stderr
    assert start("prepare", "chek").stderr.startswith("error: prepare has no command 'chek' (did you mean check?)")


@pytest.mark.thorough  # tests/training/test_processes.py has such runs
def test_a_run_of_two_processes(run: Run, camvid: Path) -> None:
    """Lightning starts the second process by the first one's main module and words."""
    small = [each for each in SMALL if not each.startswith("trainer.accelerator")]
    done = start("train", *small, "data=camvid", f"data.root={camvid}", "trainer=ddp_cpu", "run_id=two")
    assert done.returncode == 0, done.stderr
    assert "best checkpoint" in done.stdout
    assert Path("runs/train/two/checkpoints/last.ckpt").is_file()
