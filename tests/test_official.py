"""What evaluate prints, against what the official evaluators say of the exported files."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cityscapes_official import evaluate_officially
from conftest import SMALL, Run, zipped
from PIL import Image

from segrnn.labels import CITYSCAPES

FEW_STEPS = [o for o in SMALL if not o.startswith("trainer.max_steps")]


def draw_frames(root: Path, split: str, count: int, size: tuple[int, int], rng: np.random.Generator) -> None:
    """Cityscapes frames with all 34 ids, and with instances of many sizes and groups where ids have instances."""
    with_instances = [label.id for label in CITYSCAPES.labels if label.has_instances]
    colors = np.random.default_rng(0).integers(0, 255, (34, 3))
    for number in range(count):
        rows, columns = size[0] // 16, size[1] // 16
        coarse = rng.permutation(np.resize(np.arange(34), rows * columns)).reshape(rows, columns)
        ids = np.kron(coarse, np.ones((16, 16), np.int64))
        parts = np.kron(rng.integers(0, 40, (rows // 2, columns // 4)), np.ones((32, 64), np.int64))
        grouped = np.isin(ids, with_instances) & (parts < 38)  # the rest are groups, whose instance id is their id
        city = "lindau"
        stem = root / "gtFine" / split / city / f"{city}_{number:06d}_000019_gtFine_labelIds.png"
        image = root / "leftImg8bit" / split / city / f"{city}_{number:06d}_000019_leftImg8bit.png"
        for path in (stem, image):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids.astype(np.uint8)).save(stem)
        instances = np.where(grouped, 1000 * ids + parts, ids)
        Image.fromarray(instances.astype(np.uint16)).save(str(stem).replace("labelIds", "instanceIds"))
        pixels = colors[ids] + rng.integers(-30, 30, (*ids.shape, 1))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(image)


def compare(root: Path, run: Run) -> None:
    """Train a little, evaluate, export, and let the official tool evaluate the exported files."""
    data = ["data=cityscapes", f"data.root={root}", "data.workers=0", "data.max_class_share=1"]
    steps = ["trainer.max_steps=25", "trainer.validate_every_n_steps=25"]
    assert run("train", *FEW_STEPS, *data, *steps, "data.split=train", "hydra.run.dir=trained") == 0
    ckpt = "ckpt=trained/checkpoints/last.ckpt"
    assert run("evaluate", ckpt, "data.split=val", "data.workers=0", "hydra.run.dir=scored") == 0
    images = f"input={root}/leftImg8bit/val"
    assert run("predict", ckpt, images, "output=masks") == 0
    ours = json.loads(Path("scored/metrics.json").read_text())["official"]
    official = evaluate_officially(root, Path("masks").resolve(), Path("official").resolve())

    for mean, key in {
        "averageScoreClasses": "mean_class_iou",
        "averageScoreInstClasses": "mean_class_iiou",
        "averageScoreCategories": "mean_category_iou",
        "averageScoreInstCategories": "mean_category_iiou",
    }.items():
        assert ours[key] == pytest.approx(official[mean], abs=1e-12)
    for kind, (iou, iiou) in {
        "per_class": ("classScores", "classInstScores"),
        "per_category": ("categoryScores", "categoryInstScores"),
    }.items():
        for name, scores in ours[kind].items():
            assert_equal(scores["iou"], official[iou][name])
            assert_equal(scores["iiou"], official[iiou][name])
    assert len({scores["iou"] for scores in ours["per_class"].values()}) > 3  # predictions of more than one class


def assert_equal(ours: float | None, official: float | None) -> None:
    if ours is None:
        assert official is None or np.isnan(official)
    else:
        assert ours == pytest.approx(official, abs=1e-12)


@pytest.mark.slow
def test_cityscapes_on_small_frames(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        draw_frames(tmp_path / "data", split, count=4, size=(64, 192), rng=rng)
    compare(tmp_path / "data", run)


@pytest.mark.thorough
def test_cityscapes_on_frames_of_its_size(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, rng = tmp_path / "data", np.random.default_rng(0)
    draw_frames(root, "train", count=1, size=(1024, 2048), rng=rng)
    draw_frames(root, "val", count=8, size=(1024, 2048), rng=rng)
    compare(root, run)
    images = zipped(root / "leftImg8bit", tmp_path / "leftImg8bit_trainvaltest.zip", inside="leftImg8bit")
    arguments = [f"input={images}", "inside=leftImg8bit/val", "output=submission.zip", "format=submission"]
    assert run("predict", "ckpt=trained/checkpoints/last.ckpt", *arguments) == 0
    assert "8 masks" in capsys.readouterr().out
    with zipfile.ZipFile("submission.zip") as archive:
        archive.extractall("submitted")
    official = evaluate_officially(root, Path("submitted").resolve(), Path("again").resolve())
    ours = json.loads(Path("scored/metrics.json").read_text())["official"]
    assert ours["mean_class_iou"] == pytest.approx(official["averageScoreClasses"], abs=1e-12)
    assert ours["mean_category_iiou"] == pytest.approx(official["averageScoreInstCategories"], abs=1e-12)


def mit_score(predictions: list[np.ndarray], labels: list[np.ndarray], num_classes: int = 150) -> tuple[float, float]:
    """Pixel accuracy and mean IoU by the formulas of the MIT benchmark, over label files of ids 0 to 150."""
    intersection, union = np.zeros(num_classes), np.zeros(num_classes)
    right = labelled = 0
    for predicted, label in zip(predictions, labels, strict=True):
        predicted = predicted * (label > 0)
        right += int(((predicted == label) & (label > 0)).sum())
        labelled += int((label > 0).sum())
        for k in range(num_classes):
            intersection[k] += ((predicted == k + 1) & (label == k + 1)).sum()
            union[k] += ((predicted == k + 1) | (label == k + 1)).sum()
    return right / labelled, float((intersection / (np.spacing(1) + union)).mean())


@pytest.mark.thorough
@pytest.mark.parametrize("present", [40, 150])
def test_ade20k_with_and_without_absent_classes(run: Run, tmp_path: Path, present: int) -> None:
    root, rng = tmp_path / "data", np.random.default_rng(present)
    colors = rng.integers(0, 255, (151, 3))
    labels = []
    for split, name in (("training", "train"), ("validation", "val")):
        for number in range(3):
            ids = np.kron(rng.permutation(np.resize(np.arange(present + 1), 160)).reshape(10, 16), np.ones((7, 9), int))
            for kind, pixels, suffix in (("images", colors[ids], ".jpg"), ("annotations", ids, ".png")):
                path = root / kind / split / f"ADE_{name}_{number:08d}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
            if name == "val":
                labels.append(ids)
    data = ["data=ade20k", f"data.root={root}", "data.workers=0", "data.max_class_share=1"]
    assert run("train", *FEW_STEPS, *data, "trainer.max_steps=20", "hydra.run.dir=trained") == 0
    ckpt = "ckpt=trained/checkpoints/last.ckpt"
    assert run("evaluate", ckpt, "hydra.run.dir=scored") == 0
    images = f"input={root}/images/validation"
    assert run("predict", ckpt, images, "output=submission.zip", "format=submission") == 0
    with zipfile.ZipFile("submission.zip") as archive:
        archive.extractall("masks")
    predictions = [np.array(Image.open(path)).astype(int) for path in sorted(Path("masks").glob("*.png"))]
    accuracy, mean_iou = mit_score(predictions, labels)
    ours = json.loads(Path("scored/metrics.json").read_text())
    assert ours["official"]["pixel_accuracy"] == pytest.approx(accuracy, abs=1e-12)
    assert ours["official"]["mean_iou"] == pytest.approx(mean_iou, abs=1e-12)
    assert ours["official"]["score"] == pytest.approx((accuracy + mean_iou) / 2, abs=1e-12)
    assert (ours["official"]["mean_iou"] < ours["miou"]) == (present < 150)
