"""Ids and colours that are grouped to classes, and the masks that hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from segrnn.dataset_tools.occurrence import describe_occurrence, look
from segrnn.dataset_tools.packing import Pack, new_pack
from segrnn.datasets import Folder
from segrnn.datasets.class_table import parse_classes
from segrnn.errors import DataError

BINARY = [{"name": "wall", "id": 0}, {"name": "crack", "ids": [255, 1]}]


def one(root: Path, mask: Any, classes: list, save: Any = None, **rest: Any) -> Folder:
    """A dataset of one image whose mask has the given pixels, or is what `save` writes."""
    for folder in ("images/train", "masks/train"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    picture = mask if isinstance(mask, Image.Image) else Image.fromarray(np.array(mask, np.uint8))
    Image.new("RGB", picture.size).save(root / "images/train/1.png")
    picture.save(root / "masks/train/1.png")
    (root / "classes.yaml").write_text(yaml.safe_dump({"classes": classes, **rest}))
    return Folder(str(root), "train")


def test_several_ids_are_one_class_and_others_go_to_the_rest(tmp_path: Path) -> None:
    classes = [{"name": "background", "id": 9}, {"name": "car", "ids": [3, 4]}]
    dataset = one(tmp_path, [[3, 4, 9, 77, 255]], classes, other="background")
    assert dataset[0].mask.tolist() == [[1, 1, 0, 0, 255]]
    assert dataset.labels.decode(dataset[0].mask).tolist() == [[3, 3, 9, 9, 255]]


def test_written_masks_are_read_back_exactly(tmp_path: Path) -> None:
    classes = [{"name": "background", "id": 9}, {"name": "car", "ids": [200, 4]}]
    dataset = one(tmp_path, [[200, 4, 9, 255]], classes)
    train_ids = np.array([[0, 1, 255], [1, 0, 1]], np.uint8)
    again = one(tmp_path, dataset.labels.decode(train_ids), classes)
    assert (again[0].mask == train_ids).all()


def test_without_a_rest_class_foreign_ids_are_refused_with_all_known_ones(tmp_path: Path) -> None:
    dataset = one(tmp_path, [[3, 77]], [{"name": "a", "id": 0}, {"name": "car", "ids": [3, 4]}])
    with pytest.raises(DataError, match=r"ids \[77\] .* the table has \[0, 3, 4, 255\]\. Add .*`other: a`"):
        dataset[0]


RED, PINK, GREEN, BLACK, ODD = [255, 0, 0], [255, 99, 99], [0, 255, 0], [0, 0, 0], [1, 2, 3]
COLORED = [{"name": "red", "colors": [RED, PINK]}, {"name": "green", "color": GREEN}]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ({}, [0, 0, 1, 255, 255]),
        ({"other": "green"}, [0, 0, 1, 1, 1]),
        ({"other": "green", "ignore": [BLACK]}, [0, 0, 1, 255, 1]),
        ({"ignore": [7, BLACK]}, [0, 0, 1, 255, 255]),
        ({"other": "red", "ignore": []}, [0, 0, 1, 0, 0]),
    ],
)
def test_several_colours_are_one_class(rest: dict, expected: list, tmp_path: Path) -> None:
    dataset = one(tmp_path, [[RED, PINK, GREEN, BLACK, ODD]], COLORED, masks="colors", **rest)
    assert dataset[0].mask.tolist() == [expected]


def test_masks_of_colours_may_lie_anywhere(tmp_path: Path) -> None:
    masks = {"paths": "masks/{split}/{name}.*", "hold": "colors"}
    assert one(tmp_path, [[RED, GREEN]], COLORED, masks=masks)[0].mask.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(np.array([[0, 255]], np.uint8)),
        Image.fromarray(np.array([[False, True]])),
        Image.fromarray(np.array([[[0] * 3, [255] * 3]], np.uint8)),
        Image.fromarray(np.array([[[0, 0, 0, 255], [255] * 4]], np.uint8)),
        Image.fromarray(np.array([[[0, 255], [255, 255]]], np.uint8)),
        Image.fromarray(np.array([[0, 255]], np.uint16)),
    ],
    ids=["grey", "1 bit", "RGB", "RGBA", "LA", "16 bits"],
)
def test_binary_masks_of_any_form_are_read(picture: Image.Image, tmp_path: Path) -> None:
    assert one(tmp_path, picture, BINARY)[0].mask.tolist() == [[0, 1]]


def test_transparent_masks_are_refused(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[[0, 0, 0, 255], [255, 255, 255, 0]]], np.uint8))
    with pytest.raises(
        DataError, match=r"1\.png has mode RGBA, and 50\.0% of its pixels are transparent: give them an id"
    ):
        one(tmp_path, picture, BINARY)[0]
    with pytest.raises(DataError, match=r"mode RGBA, and 50\.0% of its pixels are transparent: give them a colour"):
        one(tmp_path, picture, COLORED, masks="colors")[0]


@pytest.mark.parametrize(
    ("rows", "rest", "message"),
    [
        ([{"name": "a", "ids": [1, 2]}, {"name": "b", "ids": [2, 3]}], {}, "the id 2 is in a and in b"),
        ([{"name": "a", "ids": [1, 1]}], {}, "the id 1 is twice in a"),
        ([{"name": "a", "id": 1, "ids": [2]}], {}, "class a has id and ids: write all of them in ids"),
        ([{"name": "a", "ids": 3}], {}, "class a: ids is 3; it must be a list of one id or more"),
        ([{"name": "a", "ids": []}], {}, r"class a: ids is \[\]; it must be a list"),
        (["road", "car"], {"other": "cra"}, r"other is 'cra' \(did you mean car\?\); it must be one of"),
        ([{"name": "a", "idx": 3}], {}, r"class a: unknown keys \['idx'\] \(did you mean id\?\); a class has"),
        (["a"], {"ignore": [[0, 0, 0]]}, r"ignore holds \[0, 0, 0\]; it must hold whole numbers"),
        (COLORED, {"in_colors": True, "ignore": [RED]}, r"the color \[255, 0, 0\] is in red and in ignore"),
        (
            [*COLORED, {"name": "b", "color": PINK}],
            {"in_colors": True},
            r"the color \[255, 99, 99\] is in red and in b",
        ),
    ],
)
def test_tables_that_are_not_possible(rows: list, rest: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_classes("toy", rows, **rest)


def test_a_packed_copy_of_grouped_ids_is_the_same(tmp_path: Path) -> None:
    classes = [{"name": "background", "id": 9}, {"name": "car", "ids": [200, 4]}]
    dataset = one(tmp_path / "own", [[200, 4, 9, 77, 255]], classes, other="background")
    with new_pack([dataset], tmp_path / "copy") as draft:
        Pack(draft)(dataset, 0)
    copy = Folder(str(tmp_path / "copy"), "train")
    assert (copy[0].mask == dataset[0].mask).all()
    assert [label.id for label in copy.labels.classes] == [9, 200]


def test_a_class_that_a_division_leaves_out_of_training_is_told(tmp_path: Path) -> None:
    one(tmp_path, [[0, 1]], ["road", "car"])
    for folder, color in (("images", 0), ("masks", 0)):
        Image.new("L", (4, 3), color).save(tmp_path / folder / "train/2.png")
    seeds = [{"split": {"val": 0.5, "seed": seed}} for seed in range(8)]
    told = []
    for split in seeds:
        (tmp_path / "classes.yaml").write_text(yaml.safe_dump({"classes": ["road", "car"], **split}))
        train = Folder(str(tmp_path), "train")
        told.append(describe_occurrence(train, [look(train, 0)]))
        assert bool(told[-1]) == (train.pairs[0].name == "train/2")
    assert ["class car occurs in none of the 1 train labels"] in told
