"""The scores of single images, and metrics of one's own, in `segrnn.evaluate`."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from PIL import Image

from segrnn.metrics import BoundaryIoU, Metric

MINE = """
class Wrong:
    def __init__(self, num_classes, scale=1.0):
        self.num_classes, self.scale, self.wrong, self.images = num_classes, scale, 0, 0

    def update(self, prediction, target):
        valid = target != 255
        self.wrong += (prediction[valid] != target[valid]).mean()
        self.images += 1

    def to_dict(self, class_names):
        return {"wrong": self.scale * float(self.wrong) / self.images, "classes": list(class_names), "nothing": None}


class Lacking:
    def __init__(self, num_classes):
        pass


class Picky:
    def __init__(self, num_classes):
        raise ValueError("too many classes")
"""


@pytest.fixture
def masks(camvid: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The labels as masks. In the first one, all pixels are sky."""
    folder = Path("masks")
    folder.mkdir()
    for number, path in enumerate(sorted((camvid / "valannot").iterdir())):
        label = np.array(Image.open(path))
        Image.fromarray(label if number else np.zeros_like(label)).save(folder / path.name)
    Path("own_metrics.py").write_text(MINE)
    monkeypatch.syspath_prepend(Path.cwd())
    return folder


def read_images() -> list[dict[str, str]]:
    with Path("scored/per_image.csv").open() as file:
        return list(csv.DictReader(file))


def evaluate(run: Run, camvid: Path, *overrides: str) -> dict[str, Any]:
    common = ("masks=masks", "data=camvid", f"data.root={camvid}", "data.workers=0", "hydra.run.dir=scored")
    assert run("evaluate", *common, *overrides) == 0
    return dict(json.loads(Path("scored/metrics.json").read_text()))


def test_every_image_has_its_scores(run: Run, camvid: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = evaluate(run, camvid)
    rows = read_images()
    names = sorted(path.stem for path in masks.iterdir())
    assert [row["image"] for row in rows] == names  # the worst is the first, by its name too
    assert [float(row["pixel_accuracy"]) for row in rows[1:]] == [1] * (len(names) - 1)
    first = np.array(Image.open(camvid / "valannot" / f"{names[0]}.png"))
    assert float(rows[0]["pixel_accuracy"]) == (first[first != 11] == 0).mean()
    assert scores["images"]["miou"]["50%"] == 1
    assert scores["images"]["miou"]["10%"] == pytest.approx(
        np.quantile([float(row["miou"]) for row in rows], 0.1), abs=1e-12
    )
    assert "mIoU of the median image" in capsys.readouterr().out
    assert "mIoU of the median image" in Path("scored/report.html").read_text()


def test_metrics_of_ones_own(run: Run, camvid: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = "{_target_: own_metrics.Wrong}, {_target_: own_metrics.Wrong, scale: 2.0}"
    boundary = "{_target_: segrnn.metrics.BoundaryIoU}"
    scores = evaluate(run, camvid, f"metrics=[{own}, {boundary}]", "allow=[own_metrics.]")
    found = scores["metrics"]
    mean = 1 - np.mean([float(row["pixel_accuracy"]) for row in read_images()])
    assert found["Wrong"]["wrong"] == pytest.approx(mean)
    assert found["Wrong 2"]["wrong"] == pytest.approx(2 * mean)
    assert len(found["Wrong"]["classes"]) == 11
    assert found["BoundaryIoU"] == scores["boundary"]
    out = capsys.readouterr().out
    assert f"Wrong: wrong │ {100 * mean:.2f}" in " ".join(out.split())
    assert "Wrong: nothing │ -" in " ".join(out.split())


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("{_target_: own_metrics.Wrong, size: 3}", "size"),
        (
            "{_target_: own_metrics.Lacking}",
            "metrics[0]: own_metrics.Lacking is not a metric: it needs update and to_dict, as",
        ),
        ("{_target_: os.getcwd}", "metrics[0]"),
        ("{_target_: own_metrics.Wong}", "Wrong"),
        ("{scale: 2}", "metrics[0]"),
    ],
)
def test_what_is_no_metric_is_refused(
    metric: str, message: str, run: Run, camvid: Path, masks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("masks=masks", "data=camvid", f"data.root={camvid}", "data.workers=0", "hydra.run.dir=scored")
    assert run("evaluate", *common, f"metrics=[{metric}]", "allow=[own_metrics.]") == 2
    assert message in capsys.readouterr().err


def test_an_error_in_ones_own_code_keeps_its_traceback(run: Run, camvid: Path, masks: Path) -> None:
    common = ("masks=masks", "data=camvid", f"data.root={camvid}", "data.workers=0", "hydra.run.dir=scored")
    with pytest.raises(ValueError, match="too many classes"):
        run("evaluate", *common, "metrics=[{_target_: own_metrics.Picky}]", "allow=[own_metrics.]")


def test_boundary_iou_is_a_metric() -> None:
    assert isinstance(BoundaryIoU(2), Metric)
