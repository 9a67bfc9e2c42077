"""Each dataset as it is published: training, evaluation, masks and a submission, by whole commands."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run, zipped
from PIL import Image

import segrnn


def archives_of_cityscapes(tree: Path) -> Path:
    """The published archives, in a folder of their own."""
    folder = tree.with_name("archives")
    folder.mkdir()
    for part in ("leftImg8bit", "gtFine"):
        zipped(tree / part, folder / f"{part}_trainvaltest.zip", inside=part)
    return folder


@pytest.mark.parametrize(
    ("layout", "data", "images", "count"),
    [
        pytest.param("cityscapes", "cityscapes", "leftImg8bit/val", 3, marks=pytest.mark.slow),
        pytest.param("cityscapes zip", "cityscapes", "leftImg8bit/val", 3, marks=pytest.mark.thorough),
        pytest.param("ade20k", "ade20k", "images/validation", 3, marks=pytest.mark.thorough),
        pytest.param("camvid", "camvid", "val", 5, marks=pytest.mark.slow),
        pytest.param("camvid_original", "camvid_original", "701_StillsRaw_full", None, marks=pytest.mark.thorough),
        pytest.param("drawn_pages", "demo_pages", "images/val", 2, marks=pytest.mark.thorough),
        pytest.param("own_folder", "folder", "images/val", None, marks=pytest.mark.thorough),
    ],
)
def test_from_published_files_to_a_submission(
    layout: str,
    data: str,
    images: str,
    count: int | None,
    run: Run,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree: Path = request.getfixturevalue(layout.removesuffix(" zip"))
    root = archives_of_cityscapes(tree) if layout.endswith("zip") else tree
    assert run("train", *SMALL, f"data={data}", f"data.root={root}", "hydra.run.dir=trained") == 0
    ckpt = "ckpt=trained/checkpoints/last.ckpt"
    assert run("evaluate", ckpt, "hydra.run.dir=scored") == 0
    scores = json.loads(Path("scored/metrics.json").read_text())
    assert bool(scores["official"]) == (data in ("cityscapes", "ade20k"))

    source = root / "leftImg8bit_trainvaltest.zip" if layout.endswith("zip") else root
    inputs = [ckpt, f"input={source}", f"inside={images}"]
    assert run("predict", *inputs, "output=masks") == 0
    masks = sorted(Path("masks").rglob("*.png"))
    assert masks
    assert count is None or len(masks) == count
    written = ["masks=masks", f"data={data}", f"data.root={root}", "data.workers=0"]
    assert run("evaluate", *written, "hydra.run.dir=again") == 0
    without_network = {**scores, "calibration": json.loads(Path("again/metrics.json").read_text())["calibration"]}
    assert json.loads(Path("again/metrics.json").read_text()) == without_network
    assert without_network["calibration"]["expected_calibration_error"] is None

    capsys.readouterr()
    code = run("predict", *inputs, "output=submission.zip", "format=submission")
    if data == "cityscapes":  # whose server wants 2048 x 1024; frames of that size are submitted in test_official.py
        assert code == 2
        assert "is 52 x 36; Cityscapes needs masks of 2048 x 1024" in capsys.readouterr().err
        assert not Path("submission.zip").exists()
        return
    assert code == 0
    assert f"submission.zip: {len(masks)} masks" in capsys.readouterr().out
    ids = {label.id for label in segrnn.load("trained/checkpoints/last.ckpt").info.labels.classes}
    with zipfile.ZipFile("submission.zip") as archive:
        assert len(archive.namelist()) == len(masks)
        for name in archive.namelist():
            with Image.open(archive.open(name)) as mask, Image.open(Path("masks", name)) as written:
                assert (np.array(mask) == np.array(written)).all()
                assert set(np.unique(mask)) <= ids


@pytest.mark.thorough
def test_dummy_labels_give_no_score(run: Run, cityscapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cityscapes publishes the test split with labels of ego vehicle and border alone."""
    data = ["data=cityscapes", f"data.root={cityscapes}"]
    assert run("train", *SMALL, *data, "trainer.max_steps=1", "hydra.run.dir=trained") == 0
    for kind in ("leftImg8bit", "gtFine"):
        (cityscapes / kind / "val").rename(cityscapes / kind / "test")
    for path in (cityscapes / "gtFine" / "test").rglob("*.png"):
        ids = np.array(Image.open(path))
        ids[:] = 1
        ids[0] = 2
        Image.fromarray(ids).save(path)
    assert run("evaluate", "ckpt=trained/checkpoints/last.ckpt", "data.split=test", "hydra.run.dir=scored") == 0
    scores = json.loads(Path("scored/metrics.json").read_text())
    assert scores["miou"] is None
    assert scores["official"]["mean_class_iou"] is None
    assert scores["calibration"]["expected_calibration_error"] is None
    assert "boundary IoU" in capsys.readouterr().out
