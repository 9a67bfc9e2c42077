"""Statistics and packed copies as whole commands, and training with them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run
from PIL import Image
from torch import Tensor

from segrnn.datasets import CamVid
from segrnn.datasets.statistics import read_statistics
from segrnn.training import SegmentationModule


@pytest.fixture
def stats(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The override that names the statistics of the small CamVid."""
    assert run("prepare", "stats", "data=camvid", f"data.root={camvid}", "workers=1") == 0
    capsys.readouterr()
    return "data.stats=runs/stats/camvid_train.json"


@pytest.fixture
def losses(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Train; gives the loss of each step."""
    seen: list[float] = []
    step = SegmentationModule.training_step

    def training_step(self: SegmentationModule, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        loss = step(self, batch)
        seen.append(loss["loss"].item())
        return loss

    def train(*overrides: str) -> list[float]:
        seen.clear()
        assert run("train", *SMALL, *overrides) == 0
        return list(seen)

    monkeypatch.setattr(SegmentationModule, "training_step", training_step)
    return train


def test_stats_prints_a_table_and_writes_a_file(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "stats", "data=camvid", f"data.root={camvid}", "output=out/counts.json", "workers=0") == 0
    out = capsys.readouterr().out
    assert "6 images, train of camvid" in out
    assert "out/counts.json: with data.stats=out/counts.json, loss=weighted_cross_entropy" in out
    statistics = read_statistics("out/counts.json")
    masks = [sample.mask for sample in CamVid(str(camvid), "train")]
    assert statistics.pixels.tolist() == [sum(int((mask == k).sum()) for mask in masks) for k in range(11)]
    weights = [row["weight"] for row in json.loads(Path("out/counts.json").read_text())["classes"].values()]
    assert weights == statistics.median_frequency_weights.tolist()
    for name, weight in zip(statistics.class_names, weights, strict=True):
        assert any(name in line and f"{weight:.3f}" in line for line in out.splitlines())
    assert [path.name for path in Path("out").iterdir()] == ["counts.json"]


def test_a_broken_label_is_one_message(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = camvid / "trainannot" / "0001TP_000002.png"
    Image.fromarray(np.full((36, 52), 40, np.uint8)).save(label)
    for workers in (0, 2):
        assert run("prepare", "stats", "data=camvid", f"data.root={camvid}", f"workers={workers}") == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {label}: ids [40] are not in the CamVid label table; ")
        assert err.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.slow
def test_training_uses_the_weights_and_shows_rare_classes_more_often(
    run: Run, losses: Callable[..., list[float]], camvid: Path
) -> None:
    for frame in (1, 2, 3):
        label = camvid / "trainannot" / f"0001TP_00000{frame}.png"
        ids = np.array(Image.open(label))
        Image.fromarray(np.where(ids == 8, 3, ids)).save(label)  # no car
    common = ["data=camvid", f"data.root={camvid}"]
    assert run("prepare", "stats", *common, "output=stats.json", "workers=0") == 0
    assert read_statistics("stats.json").repeats(0.9).round(3).tolist() == [1.643, 1, 1, 1, 1.643, 1]
    plain = losses(*common, "hydra.run.dir=plain")
    weighted = losses(*common, "data.stats=stats.json", "loss=weighted_cross_entropy", "hydra.run.dir=weighted")
    repeated = losses(*common, "data.stats=stats.json", "data.repeat_threshold=0.9", "hydra.run.dir=repeated")
    assert len(plain) == len(weighted) == len(repeated) == 3
    assert plain != weighted
    assert plain != repeated


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss=weighted_cross_entropy"], "these class weights need data.stats=<file>: python -m segrnn.prepare stats"),
        (
            ["data.repeat_threshold=0.9"],
            "data.repeat_threshold needs data.stats=<file>: python -m segrnn.prepare stats",
        ),
        (["data.stats=none.json"], "none.json does not exist; python -m segrnn.prepare stats writes it"),
    ],
)
def test_missing_statistics_are_one_message(
    run: Run, camvid: Path, overrides: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=run", *overrides) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not Path("run", "checkpoints").exists()


@pytest.mark.parametrize("use", ["loss=weighted_cross_entropy", "data.repeat_threshold=0.9"])
def test_statistics_of_other_data_are_one_message(
    run: Run, camvid: Path, cityscapes: Path, stats: str, use: str, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {
        "data=camvid": (
            [f"data.root={camvid}", "data.train_split=val"],
            "other images than the training split: it has 6",
        ),
        "data=cityscapes": (
            [f"data.root={cityscapes}"],
            "other classes than the training split: it has 11, and the split has 19",
        ),
    }
    for data, (overrides, message) in others.items():
        assert run("train", *SMALL, data, *overrides, stats, use, "hydra.run.dir=run") == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: runs/stats/camvid_train.json is about {message}")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    "name", [pytest.param("camvid", marks=pytest.mark.slow), pytest.param("cityscapes", marks=pytest.mark.thorough)]
)
def test_training_on_a_packed_copy_is_training_on_the_original(
    run: Run,
    losses: Callable[..., list[float]],
    name: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original = [f"data={name}", f"data.root={request.getfixturevalue(name)}"]
    assert run("prepare", "pack", *original, "output=fast/copy", "workers=1") == 0
    assert "GB in fast/copy: train on it with data=folder data.root=fast/copy" in capsys.readouterr().out
    assert run("prepare", "stats", *original, "output=stats.json", "workers=0") == 0
    same = ["data.max_class_share=0.75", "data.stats=stats.json", "data.repeat_threshold=0.9"]
    of_original = losses(*original, *same, "hydra.run.dir=original")
    assert len(of_original) == 3
    assert losses("data=folder", "data.root=fast/copy", *same, "hydra.run.dir=copy") == of_original
    scores = [json.loads(Path(folder, "metrics.json").read_text()) for folder in ("original", "copy")]
    assert scores[0]["per_class"] == scores[1]["per_class"]


def test_a_broken_image_leaves_no_copy(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = camvid / "val" / "0001TP_000002.png"
    broken.write_bytes(b"")
    for workers in (0, 2):
        arguments = ["pack", "data=camvid", f"data.root={camvid}", "output=fast/copy", f"workers={workers}"]
        assert run("prepare", *arguments) == 2
        assert capsys.readouterr().err == f"error: {broken} (0 bytes) can't be decoded: the file is empty\n"
        assert list(Path("fast").iterdir()) == []


@pytest.mark.parametrize("name", ["stats", "check", "pack"])
def test_help(run: Run, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", name, "--help") == 0
    assert f"python -m segrnn.prepare {name}" in capsys.readouterr().out
