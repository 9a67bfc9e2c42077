"""The list of trainings, and both commands on trainings as a person makes them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL, Run
from run_folders import EVIL, TOY, write_curves, write_evaluation, write_run

from segrnn.claims import claimed
from segrnn.run_folder import begin_record, find_runs, finish_record, read_run
from segrnn.tasks.runs import list_runs


def listed(run: Run, capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
    capsys.readouterr()
    assert run("runs", *overrides) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


STATES = "running|finished|failed|interrupted"
ROW = re.compile(rf"^ *(\S+) +({STATES}) +(\d+/\d+) +(\S+) +(\S+) +(.*\S) +([\d-]{{10}} [\d:]{{5}}) +(.*\S) *$", re.M)


def cells(out: str) -> list[list[str]]:
    """The rows of the table."""
    return [list(row) for row in ROW.findall(out)]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TZ", "UTC")


def test_states_steps_and_scores(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(Path("runs/train/done"))
    write_run(Path("runs/train/cut"), seed=1, steps=60, finished=False)
    failed = write_run(Path("runs/search/rates/trial_0"), seed=2, steps=10, finished=False)
    (failed / "failed_step.json").write_text('{"step": 17}')
    again = write_run(Path("runs/train/again"), seed=3, finished=False)
    (again / "failed_step.json").write_text('{"step": 17}')  # it has gone on since
    write_run(Path("runs/train/live"), seed=4, steps=40, finished=False)
    with claimed(Path("runs/train/live"), print):
        rows = cells(listed(run, capsys))
    assert [row[:3] for row in rows] == [
        ["train/live", "running", "40/100"],
        ["train/again", "interrupted", "100/100"],
        ["search/rates/trial_0", "failed", "10/100"],
        ["train/cut", "interrupted", "60/100"],
        ["train/done", "finished", "100/100"],
    ]
    curves = read_run(Path("runs/train/done")).curves
    best = curves.best_miou
    assert best is not None
    assert rows[4][3:6] == [f"{100 * curves.values['val/miou'][100]:.2f}", f"{100 * best[1]:.2f}", "FCN, ReNet gru"]
    assert rows[4][7] == "1 min 5 s"
    assert rows[2][3:5] == ["-", "-"]


def test_what_is_no_run_is_counted_and_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(Path("runs/train/good"))
    write_evaluation(Path("runs/evaluate/scored"))
    Path("runs/train/empty").mkdir()
    Path("runs/.hidden").mkdir()
    (write_run(Path("runs/train/torn"), seed=1) / "run.json").write_text('{"began": ')
    (write_run(Path("runs/train/foreign"), seed=2) / "config.yaml").write_text("learning_rate: 3\n")
    (write_run(Path("runs/train/binary"), seed=3) / "csv" / "metrics.csv").write_bytes(b"\xff\x00" * 100)
    for number, wrong in enumerate(('{"began": "yesterday"}', "[]", '"x"', "{}", '{"steps": 1}')):
        (write_run(Path(f"runs/train/wrong{number}")) / "run.json").write_text(wrong)
    out = listed(run, capsys)
    assert [row[0] for row in cells(out)] == ["train/good"]
    assert "8 folders can't be read:" in out
    assert re.search(r"runs/train/torn/run.json can't be read \(.*\): the folder is damaged", out)
    assert "runs/train/foreign/config.yaml is not the configuration of a training" in out
    assert "runs/train/binary/csv/metrics.csv can't be read" in out
    assert "2 folders without a training: runs/train/empty, runs/evaluate" in out
    assert "Traceback" not in out


def test_a_folder_without_runs_and_none_at_all(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/train").mkdir(parents=True)
    assert listed(run, capsys) == "there is no training in runs: python -m segrnn.train begins one\n"
    assert run("runs", "folder=nowhere") == 2
    assert "folder=nowhere is not a folder: give the folder of your runs" in capsys.readouterr().err


def test_a_reader_may_stop_early(run: Run) -> None:
    for number in range(5):
        write_run(Path(f"runs/{number}"))
    command = f"{sys.executable} -m segrnn.runs | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_table_fits_a_terminal(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "2026-11-29_09-23-22_800965"
    write_run(Path("runs") / name, planned=100_000)
    out = listed(run, capsys)
    assert max(map(len, out.splitlines())) <= 80
    for text in ("finished", "100/100000", "2026-11-29 12:00", "1 min 5 s"):
        assert text in out


def test_names_are_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    name = EVIL.replace("/", ":") + "\x1b[31m[red]"
    write_run(Path("runs") / name)
    out = listed(run, capsys)
    assert "\x1b" not in out
    assert "\\x1b[31m[red]" in out


def test_a_table_that_is_being_written_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    path = folder / "csv" / "metrics.csv"
    text = path.read_text()
    for end in range(len(text) - 300, len(text), 7):
        path.write_text(text[:end])
        assert 80 <= read_run(folder).curves.steps <= 100
    path.write_text("")
    assert read_run(folder).curves.steps == 0
    path.write_text("step,train/loss\n9,nan\n19,inf\n29,1.5,7\n")
    assert read_run(folder).curves.values == {"train/loss": {30: 1.5}}


def test_a_run_that_goes_on_keeps_the_time_of_its_first_start(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    before = read_run(folder).record
    begin_record(folder, 500, {"road": "#010203"}, 7, 3)
    after = read_run(folder).record
    assert (after.began, after.finished, after.steps) == (before.began, None, 500)
    assert read_run(folder).state == "interrupted"
    finish_record(folder)
    assert read_run(folder).state == "finished"


def test_later_starts_replace_what_came_after_them(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", steps=80)
    for number, (name, first) in enumerate({"from_step_60": 60, "from_step_40": 40}.items(), start=1):
        path = folder / name / "csv" / "metrics.csv"
        write_curves(path, TOY, range(first, first + 40, 10), seed=number)
        os.utime(path, (4e9 + number, 4e9 + number))
    curves = read_run(folder).curves
    assert curves.steps == 80  # the last start went back to step 40
    assert find_runs(tmp_path).runs[0].curves == curves


def test_the_list_needs_no_torch() -> None:
    code = "import segrnn.tasks.runs, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    assert list_runs.__module__ == "segrnn.tasks.runs"


@pytest.mark.slow
def test_trainings_are_listed_and_compared(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["data=camvid", f"data.root={camvid}"]
    small = [each for each in SMALL if not each.startswith("context")]
    assert run("train", *SMALL, *data, "run_id=a") == 0
    assert run("train", *small, *data, "run_id=b", "context=none", "examples.count=3") == 0
    assert (
        run("evaluate", "ckpt=runs/train/a/checkpoints/best.ckpt", "data.workers=0", "hydra.run.dir=runs/evaluate/a")
        == 0
    )
    out = listed(run, capsys)
    assert [row[:3] for row in cells(out)] == [["train/b", "finished", "3/3"], ["train/a", "finished", "3/3"]]
    assert "1 folder without a training: runs/evaluate" in out
    assert run("report", "runs=[runs/train/a,runs/train/b,runs/evaluate/a]", "output=new/page.html") == 0
    assert "the page of 3 runs: new/page.html" in capsys.readouterr().out
    found = re.search(r'id="report">(.*?)</script>', Path("new/page.html").read_text(), re.DOTALL)
    assert found is not None
    document = json.loads(found[1])
    metrics = json.loads(Path("runs/train/b/metrics.json").read_text())
    assert document["scores"][0]["values"][1] == pytest.approx(metrics["miou"])
    ious = [row["values"][1] for row in document["classes"]]
    assert ious == [pytest.approx(row["iou"]) for row in metrics["per_class"].values()]
    assert {"context.hidden", "examples.count"} <= {row["key"] for row in document["settings"]}
    assert len(document["examples"]) == 1
    assert document["pictured"] == ["runs/train/a", "b", "runs/evaluate/a"]
