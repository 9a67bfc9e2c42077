import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import zipped
from PIL import Image

from segrnn.datasets import Folder
from segrnn.datasets.class_file import read_class_file
from segrnn.errors import DataError


def write_classes(root: Path, *classes: Any, **rest: Any) -> Path:
    path = root / "classes.yaml"
    path.write_text(yaml.safe_dump({"classes": list(classes), **rest}))
    return path


def write_mask(root: Path, mask: Any) -> Path:
    """A mask, which replaces that of the first image of val."""
    path = root / "masks/val/day0/0.png"
    Image.fromarray(np.array(mask, np.uint8)).save(path)
    height, width = np.shape(mask)[:2]
    Image.new("RGB", (width, height)).save(root / "images/val/day0/0.jpg")
    return path


def test_images_and_masks_of_a_split_are_paired_by_path(own_folder: Path) -> None:
    dataset = Folder(str(own_folder), "train")
    assert dataset.labels.name == "streets"
    assert dataset.labels.class_names == ("road", "car", "sky")
    assert [sample.name for sample in dataset] == ["day0/0", "day0/2", "day1/1", "day1/3"]
    train_ids = np.full(256, 254)
    train_ids[[7, 40, 0, 255]] = 0, 1, 2, 255
    for sample in dataset:
        ids = np.array(Image.open(own_folder / "masks/train" / f"{sample.name}.png"))
        assert (sample.mask == train_ids[ids]).all()


def test_any_split_and_suffix_and_name_will_do(own_folder: Path) -> None:
    for name, image, mask in [("straße 1", ".PNG", ".png"), ("早晨", ".webp", ".bmp"), ("a.b", ".jpeg", ".tif")]:
        for kind, suffix, mode in [("images", image, "RGB"), ("masks", mask, "L")]:
            path = own_folder / kind / "nächste" / "tief" / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (4, 3)).save(path)
    packed = zipped(own_folder, own_folder.parent / "own.zip")
    for root in (own_folder, packed):
        samples = list(Folder(str(root), "nächste"))
        assert [sample.name for sample in samples] == ["tief/a.b", "tief/straße 1", "tief/早晨"]
        assert all((sample.mask == 2).all() for sample in samples)


def test_a_class_needs_no_more_than_a_name(own_folder: Path) -> None:
    write_classes(own_folder, "road", {"name": "car"}, {"name": "sky"})
    write_mask(own_folder, [[0, 1, 2, 255]])
    dataset = Folder(str(own_folder), "val")
    assert dataset[0].mask.tolist() == [[0, 1, 2, 255]]
    assert len({label.color for label in dataset.labels.classes}) == 3


def test_several_ids_may_be_ignored(own_folder: Path) -> None:
    write_classes(own_folder, "road", ignore=[3, 9])
    write_mask(own_folder, [[0, 3, 9]])
    assert Folder(str(own_folder), "val")[0].mask.tolist() == [[0, 255, 255]]


def test_the_id_255_may_be_a_class(own_folder: Path) -> None:
    write_classes(own_folder, "road", {"name": "car", "id": 255})
    write_mask(own_folder, [[0, 255]])
    dataset = Folder(str(own_folder), "val")
    assert dataset[0].mask.tolist() == [[0, 1]]
    assert dataset.labels.decode(dataset[0].mask).tolist() == [[0, 255]]


def test_an_id_of_no_class_is_refused(own_folder: Path) -> None:
    path = write_mask(own_folder, [[0, 7, 8]])
    with pytest.raises(DataError, match=r"ids \[8\] are not in the streets label table; .*\[0, 7, 40, 255\]") as error:
        Folder(str(own_folder), "val")[0]
    assert str(error.value).startswith(str(path))


COLORED = [{"name": "road", "color": [128, 64, 128]}, {"name": "car", "color": [0, 0, 142]}]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_masks_may_be_colours(own_folder: Path, mode: str) -> None:
    write_classes(own_folder, *COLORED, masks="colors")
    path = write_mask(own_folder, [[(128, 64, 128), (0, 0, 142), (1, 2, 3), (0, 0, 0)]])
    Image.open(path).convert(mode, palette=Image.Palette.ADAPTIVE).save(path)
    assert Folder(str(own_folder), "val")[0].mask.tolist() == [[0, 1, 255, 255]]


def test_ids_in_place_of_colours_are_refused(own_folder: Path) -> None:
    write_classes(own_folder, *COLORED, masks="colors")
    with pytest.raises(DataError, match=r"day0/0\.png has mode L; .* does it hold ids instead\?"):
        Folder(str(own_folder), "val")[0]


def test_colours_in_place_of_ids_are_refused(own_folder: Path) -> None:
    write_mask(own_folder, [[(128, 64, 128)]])
    with pytest.raises(DataError, match=r"day0/0\.png has mode RGB; .* is it the colour picture"):
        Folder(str(own_folder), "val")[0]


@pytest.mark.parametrize("rest", [{}, {"masks": "colors"}], ids=["ids", "colours"])
def test_lossy_masks_are_refused(own_folder: Path, rest: dict) -> None:
    write_classes(own_folder, *COLORED, **rest)
    path = write_mask(own_folder, [[(128, 64, 128)]] if rest else [[0, 1]])
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()
    with pytest.raises(DataError, match=r"day0/0\.jpg is a JPEG"):
        Folder(str(own_folder), "val")[0]


@pytest.mark.parametrize(("kind", "twin"), [("images", "0.png"), ("masks", "0.bmp")])
def test_two_files_of_one_name_are_an_error(own_folder: Path, kind: str, twin: str) -> None:
    Image.new("L", (52, 36)).save(own_folder / kind / "val/day0" / twin)
    with pytest.raises(DataError, match=rf"two files are called day0/0: .*/{kind}/val/day0/0\.\w+ and .*/0\.\w+"):
        Folder(str(own_folder), "val")
    assert len(Folder(str(own_folder), "val", strict=False).unlabelled) == 1


def test_a_mask_without_an_image_is_harmless(own_folder: Path) -> None:
    (own_folder / "images/train/day1/3.jpg").unlink()
    dataset = Folder(str(own_folder), "train")
    assert [pair.name for pair in dataset.pairs] == ["day0/0", "day0/2", "day1/1"]
    assert dataset.orphans == [f"label {own_folder}/masks/train/day1/3.png has no image"]


def test_an_image_without_a_mask_is_named(own_folder: Path) -> None:
    for number in (1, 3):
        (own_folder / f"masks/train/day1/{number}.png").unlink()
    with pytest.raises(DataError, match=r"image .*train/day1/1\.jpg has no label, and 1 more \(python -m segrnn.prep"):
        Folder(str(own_folder), "train")
    assert len(Folder(str(own_folder), "train", strict=False)) == 2


def test_a_missing_file_of_classes_is_an_error_with_an_example(own_folder: Path) -> None:
    (own_folder / "classes.yaml").rename(own_folder / "classes.txt")
    with pytest.raises(DataError, match=r"own holds no classes\.yaml(.|\n)*name: my streets"):
        Folder(str(own_folder), "train")


def test_a_data_set_in_its_own_folder_is_found(own_folder: Path) -> None:
    """As archives are made by right-clicking a folder, and as they come out of some tools again."""
    (own_folder / "__MACOSX").mkdir()
    expected = list(Folder(str(own_folder), "val"))
    (own_folder.parent / "extracted" / "mine").parent.mkdir()
    zipped(own_folder, own_folder.parent / "own.zip", "my pictures")
    own_folder.rename(own_folder.parent / "extracted" / "mine")
    for root in (own_folder.parent / "own.zip", own_folder.parent / "extracted"):
        samples = list(Folder(str(root), "val"))
        assert [sample.name for sample in samples] == [sample.name for sample in expected]
        assert all((a.mask == b.mask).all() for a, b in zip(samples, expected, strict=True))


def test_backslashes_between_folders_of_an_archive_are_understood(own_folder: Path) -> None:
    expected = list(Folder(str(own_folder), "val"))
    with zipfile.ZipFile(own_folder.parent / "own.zip", "w") as archive:
        for path in own_folder.rglob("*.*"):
            member = zipfile.ZipInfo("x")
            member.filename = str(path.relative_to(own_folder)).replace("/", "\\")
            archive.writestr(member, path.read_bytes())
    dataset = Folder(str(own_folder.parent / "own.zip"), "val")
    assert dataset.remarks == []
    for sample, other in zip(dataset, expected, strict=True):
        assert sample.name == other.name
        assert (sample.mask == other.mask).all()


@pytest.mark.parametrize("places", [["a/b"], ["a", "b"]])
def test_several_or_deep_files_of_classes_are_named(places: list[str], own_folder: Path) -> None:
    for place in places:
        (own_folder / place).mkdir(parents=True)
        (own_folder / place / "classes.yaml").write_bytes((own_folder / "classes.yaml").read_bytes())
    (own_folder / "classes.yaml").unlink()
    there = ", ".join(f"{place}/classes.yaml" for place in places)
    with pytest.raises(
        DataError, match=rf"own holds no classes\.yaml, but there is {there}: data\.root must be the folder around it"
    ):
        Folder(str(own_folder), "train")


def test_what_is_no_picture_is_counted(own_folder: Path) -> None:
    for name in ("images/val/notes.TXT", "images/val/day0/raw.cr2", "masks/val/.ipynb_checkpoints/0.png"):
        (own_folder / name).parent.mkdir(exist_ok=True)
        (own_folder / name).write_bytes(b"")
    dataset = Folder(str(own_folder), "val")
    assert len(dataset) == 2
    assert dataset.remarks == [
        "images/val: 2 other files are passed over: 1 .cr2, 1 .txt",
        "masks/val: 1 hidden one is passed over: 1 .ipynb_checkpoints",
    ]
    assert Folder(str(own_folder), "train").remarks == []


MALFORMED = {
    "no yaml": ("classes: [", "can't be understood: while parsing"),
    "not text": (b"\xff\xfe\x00\xd8", "can't be understood: "),
    "empty": ("", "it has no list of classes"),
    "a list": ("- road\n- car", "it has no list of classes"),
    "no list": ("classes: {road: 0}", "it has no list of classes"),
    "no classes": ("classes: []", "1 to 253 classes fit into a byte, got 0"),
    "too many": (yaml.safe_dump({"classes": [f"c{i}" for i in range(254)]}), "1 to 253 classes"),
    "unknown key": (
        "classes: [road]\nignored: [1]",
        r"unknown keys \['ignored'\] \(did you mean ignore\?\); it has name",
    ),
    "odd keys": ("classes: [road]\n1: 2\nx: 3", r"unknown keys \['1', 'x'\]"),
    "unknown class key": ("classes: [{name: road, colour: [1, 2, 3]}]", r"class road: unknown keys \['colour'\]"),
    "no name": ("classes: [{id: 0}]", "class 0 is {'id': 0}; it needs a name"),
    "a number as name": ("classes: [road, 2]", "class 1 is 2; it needs a name"),
    "yes as name": ("classes: [{name: yes}]", "class 0 is {'name': True}; it needs a name"),
    "names twice": ("classes: [road, car, road]", r"class names must be unique, got \['road'\]"),
    "ids twice": ("classes: [{name: a, id: 1}, {name: b}]", "the id 1 is in a and in b; it can have one meaning"),
    "ignored class": ("classes: [a, b]\nignore: [1]", "the id 1 is in b and in ignore"),
    "id too large": ("classes: [{name: a, id: 256}]", "id holds 256; it must hold whole numbers from 0 to 255"),
    "id negative": ("classes: [{name: a, id: -1}]", "id holds -1"),
    "id true": ("classes: [{name: a, id: true}]", "id holds True"),
    "id in quotes": ("classes: [{name: a, id: '1'}]", "id holds '1'"),
    "ignore no list": ("classes: [a]\nignore: 255", "ignore is 255; it needs a list of ids"),
    "ignore nothing": ("classes: [a]\nignore:", "ignore is None; it needs a list of ids"),
    "ignore names": ("classes: [a]\nignore: [void]", "ignore holds 'void'"),
    "color as word": ("classes: [{name: a, color: red}]", "class a: color is 'red'; it must be three numbers"),
    "color too short": ("classes: [{name: a, color: [1, 2]}]", r"class a: color is \[1, 2\]; it must be three"),
    "color empty": ("classes: [{name: a, color: []}]", r"class a: color is \[\]; it must be three"),
    "color too bright": ("classes: [{name: a, color: [1, 2, 256]}]", "color holds 256"),
    "color in fractions": ("classes: [{name: a, color: [0.5, 0, 1]}]", "color holds 0.5"),
    "masks": ("classes: [a]\nmasks: rgb", "masks is 'rgb'; it can be ids or colors"),
    "masks as list": ("classes: [a]\nmasks: [ids]", "the template 'ids' has no {name}"),
    "no colours": ("classes: [colors]\nmasks: colors", "class colors: masks is colors, so the class needs a color"),
    "colours twice": (
        "classes: [{name: a, color: [1, 2, 3]}, {name: b, color: [1, 2, 3]}]\nmasks: colors",
        r"the color \[1, 2, 3\] is in a and in b; it can have one meaning",
    ),
    "no id for other colours": (
        "classes: [{name: a, color: [1, 2, 3]}]\nmasks: colors\nignore: []",
        "ignore needs an id for colours that no class has",
    ),
    "a python object": ("classes: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    "a tag that does not fit": ("classes: !!bool maybe", "can't be understood: 'maybe'"),
    "another tag": ("classes: !!timestamp never", "can't be understood: "),
    "too deep": ("classes: " + "[" * 5000, "can't be understood: maximum recursion"),
}


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED)
def test_classes_that_are_not_possible_are_one_message(own_folder: Path, content: str | bytes, message: str) -> None:
    path = own_folder / "classes.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(
        DataError, match=rf"(?s)^{path} can't be understood: .*It should look like.*masks: ids"
    ) as error:
        Folder(str(own_folder), "train")
    error.match(message)


def test_the_example_of_the_messages_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(Folder.layout.split("like\n\n")[1])
    content = read_class_file(path)
    assert (content.table.labels.name, content.table.labels.class_names) == ("my streets", ("road", "car"))
    assert (content.table.color_code, content.layout) == (None, None)
