"""The files of classes on the page about own images, read as they stand there."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run, write_own_trees
from PIL import Image

from segrnn.dataset_tools.occurrence import describe_occurrence, look
from segrnn.datasets import Cityscapes, Folder
from segrnn.labels import CITYSCAPES

PAGE = Path(__file__).parents[2] / "docs/own_images.md"


def class_file(name: str) -> str:
    """The block of YAML that begins with this name."""
    [text] = re.findall(rf"^```yaml\n(# {name}\n.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return text


@pytest.mark.parametrize(("tree", "sizes"), [("voc", (4, 2)), ("flat", (4, 2)), ("listed", (4, 2))])
def test_the_three_trees_are_read(tree: str, sizes: tuple[int, int], tmp_path: Path) -> None:
    write_own_trees(tmp_path)
    (tmp_path / tree / "classes.yaml").write_text(class_file(f"{tree}/classes.yaml"))
    parts = [Folder(str(tmp_path / tree), split) for split in ("train", "val")]
    assert tuple(map(len, parts)) == sizes
    for part in parts:
        for sample in part:
            assert set(np.unique(sample.mask)) <= {*range(part.labels.num_classes), 255}
        held = [look(part, index) for index in range(len(part))]
        assert [line for line in describe_occurrence(part, held) if "occur" in line] == []


def test_the_categories_of_cityscapes_are_those_of_its_classes(cityscapes: Path, tmp_path: Path) -> None:
    (tmp_path / "categories.yaml").write_text(class_file("streets/classes.yaml"))
    of_category = np.full(256, 255)
    merged = Folder(str(cityscapes), "train", classes=str(tmp_path / "categories.yaml"))
    assert merged.labels.class_names == CITYSCAPES.categories
    for label in CITYSCAPES.classes:
        of_category[label.train_id] = merged.labels.class_names.index(label.category)
    fine = Cityscapes(str(cityscapes), "train")
    assert len(merged) == len(fine) == 6
    for sample, other in zip(merged, fine, strict=True):
        assert sample.name == other.name
        assert (sample.mask == of_category[other.mask]).all()


@pytest.mark.slow
def test_predicted_masks_of_grouped_ids_score_as_the_network_does(run: Run, cityscapes: Path) -> None:
    Path("categories.yaml").write_text(class_file("streets/classes.yaml"))
    data = ["data=folder", f"data.root={cityscapes}", "data.dataset.classes=categories.yaml"]
    assert run("train", *SMALL, *data, "run_id=one") == 0
    checkpoint = "ckpt=runs/train/one/checkpoints/best.ckpt"
    assert run("evaluate", checkpoint, "data.workers=0", "hydra.run.dir=scores") == 0
    assert run("predict", checkpoint, f"input={cityscapes}/leftImg8bit/val", "output=masks") == 0
    dataset = Folder(str(cityscapes), "val", classes="categories.yaml")
    counts = np.zeros((7, 7), np.int64)
    for sample in dataset:
        [path] = Path("masks").rglob(f"{Path(sample.name).name}*.png")
        ids = np.array(Image.open(path))
        assert set(np.unique(ids)) <= {7, 11, 17, 21, 23, 24, 26}
        predicted, scored = dataset.encode(path, ids), sample.mask != 255
        np.add.at(counts, (sample.mask[scored], predicted[scored]), 1)
    with np.load("scores/confusion.npz") as saved:
        assert any(np.array_equal(saved[key], counts) for key in saved.files)
