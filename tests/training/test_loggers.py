"""What is written and printed without W&B."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from segrnn.labels import CAMVID
from segrnn.metrics import Scores
from segrnn.reports import draw_rows, print_scores, read_examples


@pytest.mark.slow
def test_tensorboard_has_the_curves_of_the_csv_and_pictures(run: Run, camvid: Path) -> None:
    recipe = [*SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=run"]
    assert run("train", *recipe, "logger=tensorboard") == 0
    events = EventAccumulator("run/tensorboard")
    events.Reload()
    with Path("run/csv/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for key in ("train/loss", "train/waiting", "val/loss", "val/miou", "val/iou/sky", "lr-AdamW/encoder"):
        written = [(int(row["step"]), float(row[key])) for row in rows if row[key]]
        assert written
        assert [(event.step, pytest.approx(event.value)) for event in events.Scalars(key)] == written
    kept = read_examples(Path("run"))
    assert kept is not None
    pictures = [
        np.asarray(Image.open(io.BytesIO(event.encoded_image_string))) for event in events.Images("val/examples")
    ]
    steps = [event.step for event in events.Images("val/examples")]
    assert steps == [event.step for event in events.Scalars("val/miou")]
    masks = draw_rows(kept.examples, CAMVID)[:, 320:]  # the images themselves were compressed for the file
    assert np.array_equal(pictures[-1][:, 320:], masks)
    assert run("evaluate", "ckpt=run/checkpoints/last.ckpt", "logger=tensorboard", "hydra.run.dir=scored") == 0
    scored = EventAccumulator("scored/tensorboard")
    scored.Reload()
    miou = json.loads(Path("scored/metrics.json").read_text())["miou"]
    assert scored.Scalars("evaluate/mIoU")[0].value == pytest.approx(miou)
    assert "evaluate/confusion" in scored.Tags()["images"]


def test_the_final_table_is_coloured_only_in_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    counts = np.diag(np.arange(11)) + 1
    scores = Scores(counts, CAMVID.class_names)
    print_scores(scores, CAMVID, "a table")
    assert "\x1b[" not in capsys.readouterr().out
    for name, value in {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    print_scores(scores, CAMVID, "a table")
    out = capsys.readouterr().out
    assert "\x1b[38;2;{};{};{}m".format(*CAMVID.classes[0].color) in out
    names = [name for name in CAMVID.class_names if name in out]
    assert names == list(CAMVID.class_names)


def test_output_that_is_no_terminal_has_a_line_for_each_validation(run: Run, camvid: Path, capsys) -> None:
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("step ") for line in lines) == 2
    assert sum(line.startswith("train ") for line in lines) == 1  # the bar as it was at the end
    assert not any("\x1b" in line for line in lines)


def test_a_second_logger_can_not_write_into_the_folder_of_curves(run: Run, camvid: Path, capsys) -> None:
    second = [
        "logger=tensorboard",
        "logger._target_=pytorch_lightning.loggers.CSVLogger",
        "+logger.version=csv",
        "+logger.name=''",
    ]
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "run_id=run", *second) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "logger: pytorch_lightning.loggers.CSVLogger would write to" in error
    assert "choose another logger.version or logger.name" in error
