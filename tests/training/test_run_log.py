"""train.log has all that a run says, with times."""

import logging
import re
import resource
import signal
import warnings
from pathlib import Path

import pytest
from conftest import SMALL, Run

from segrnn.errors import Interrupted
from segrnn.run_log import logged
from segrnn.text import LOG, tell
from segrnn.training import SegmentationModule

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} "
FILE = Path("runs/train/run/train.log")


@pytest.fixture
def arguments(camvid: Path) -> list[str]:
    return [*SMALL, "data=camvid", f"data.root={camvid}", "run_id=run"]


def plain(text: str) -> list[str]:
    """What is compared: words, without times, levels, the bar, and the ways in which lines are broken and drawn."""
    bars = r"^.*(?:━{5}|[0-9]+/[0-9]+ -?[0-9-]:).*$"
    text = re.sub(bars, "", text, flags=re.MULTILINE)
    return re.sub(rf"^{TIME}[A-Z]+ ", "", text, flags=re.MULTILINE).split()


def test_the_log_has_what_the_terminal_shows(run: Run, arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert run("train", *arguments) == 0
    shown, written = plain(capsys.readouterr().out), plain(FILE.read_text())
    assert set(shown) == set(written)
    text = FILE.read_text()
    assert re.search(rf"^{TIME}INFO run directory|^  run directory", text, re.MULTILINE)
    assert re.search(rf"^{TIME}INFO step 3/3   loss .* val mIoU", text, re.MULTILINE)
    assert "│ mean " in text
    assert "best checkpoint" in text
    assert all(re.match(rf"{TIME}|  ", line) for line in text.splitlines())
    assert run("train", *arguments, "trainer.max_steps=4", "ckpt=auto", "log_level=debug") == 0
    longer = FILE.read_text()
    assert longer.startswith(text)
    assert "continuing from" in longer
    assert re.search(rf"^{TIME}DEBUG step 4/4   loss .* images/s$", longer, re.MULTILINE)


def test_a_refused_start_is_no_part_of_the_run(run: Run, arguments: list[str], monkeypatch) -> None:
    Path("runs/train/run/checkpoints").mkdir(parents=True)
    assert run("train", *arguments) == 2  # the folder holds a run
    assert not FILE.exists()


def test_a_failure_has_its_traceback(run: Run, arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert run("train", *arguments, "loss.class_weights=[1,2]", "log_level=error") == 2
    message = "loss.class_weights has 2 weights, but there are 11 classes"
    assert "Traceback" not in capsys.readouterr().err
    text = FILE.read_text()
    assert re.match(rf"{TIME}ERROR error: .*{re.escape(message)}", text)
    assert "  Traceback (most recent call last):" in text
    assert "segrnn.errors.ConfigError: " in text
    assert " INFO " not in text


@pytest.mark.slow
def test_an_interrupted_run_says_so_without_a_traceback(run: Run, arguments: list[str], monkeypatch) -> None:
    original = SegmentationModule.training_step

    def told_to_end(module: SegmentationModule, batch: tuple) -> dict:
        signal.raise_signal(signal.SIGTERM)
        return original(module, batch)

    monkeypatch.setattr(SegmentationModule, "training_step", told_to_end)
    assert run("train", *arguments) == 143
    assert re.search(rf"^{TIME}WARNING the run was ended after step 1: SIGTERM$", FILE.read_text(), re.MULTILINE)
    assert "Traceback" not in FILE.read_text()


@pytest.mark.slow
def test_a_full_disk_does_not_end_a_run(run: Run, arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    FILE.parent.mkdir(parents=True)
    FILE.symlink_to("/dev/full")
    assert run("train", *arguments) == 0
    assert capsys.readouterr().err.count("No space left on device): the run goes on without this file") == 1


def test_a_file_that_can_not_be_written_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "train.log"
    path.mkdir()
    with logged(path, "info"):
        tell("one")
        tell("two")
    captured = capsys.readouterr()
    assert captured.out == "one\ntwo\n"
    assert captured.err == f"{path} can't be written (Is a directory): the run goes on without this file\n"


def test_a_disk_that_has_room_again_gets_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path, limits = tmp_path / "train.log", resource.getrlimit(resource.RLIMIT_FSIZE)
    with logged(path, "info"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
            tell("lost")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        tell("kept")
    assert "can't be written (File too large)" in capsys.readouterr().err
    assert [line.split(" INFO ")[1] for line in path.read_text().splitlines()] == ["kept"]


def test_warnings_and_libraries_are_in_it_and_levels_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = logging.getLogger("pytorch_lightning")
    monkeypatch.setattr(library, "disabled", False)  # Hydra disables what another test has imported

    def say() -> None:
        warnings.warn("two colours", stacklevel=1)
        library.warning("from Lightning")
        tell("information")
        tell("wrong\x1b[31m", error=True)

    with pytest.warns(UserWarning, match="colours"), logged(tmp_path / "warning.log", "warning", ["early"]):
        say()
    lines = [re.sub(TIME, "", line) for line in (tmp_path / "warning.log").read_text().splitlines()]
    assert re.fullmatch(r"WARNING UserWarning: two colours \(.*test_run_log\.py, line \d+\)", lines[0])
    assert lines[1:] == ["WARNING from Lightning", r"ERROR wrong\x1b[31m"]
    assert not [handler for handler in LOG.handlers if handler.level]
    assert warnings.showwarning.__module__ == "warnings"


def test_what_was_said_before_comes_first(tmp_path: Path) -> None:
    with pytest.raises(Interrupted), logged(tmp_path / "train.log", "info", ["taken over"]):
        raise Interrupted("SIGTERM", 3, exit_code=143)
    lines = [re.sub(TIME, "", line) for line in (tmp_path / "train.log").read_text().splitlines()]
    assert lines == ["INFO taken over", "WARNING the run was ended after step 3: SIGTERM"]


def test_other_processes_write_errors_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segrnn.run_log.rank", lambda: 1)
    with pytest.raises(ValueError, match="a size"), logged(tmp_path / "train.log", "debug", ["information"]):
        raise ValueError("a size")
    assert re.match(rf"{TIME}ERROR \[process 1\] error: a size\n  Traceback", (tmp_path / "train.log").read_text())
