"""Trees of any form, described in classes.yaml: what is found, how it is divided, and what each mistake is told."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import zipped
from PIL import Image

from segrnn.datasets import Folder, SegmentationDataset
from segrnn.errors import DataError


def lay(root: Path, *paths: str, **content: Any) -> Path:
    """Write tiny pictures at the given paths, and a classes.yaml."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3)).save(root / path)
    root.mkdir(exist_ok=True)
    (root / "classes.yaml").write_text(yaml.safe_dump({"classes": ["road", "car"], **content}))
    return root


def names(dataset: SegmentationDataset) -> list[str]:
    return [pair.name for pair in dataset.pairs]


def message(root: Path, split: str = "train", **arguments: Any) -> str:
    with pytest.raises(DataError) as error:
        Folder(str(root), split, **arguments)
    return str(error.value)


def test_templates_pair_by_name_in_any_tree(tmp_path: Path) -> None:
    files = ("photos/a/train/1.JPG", "photos/a/train/2.jpg", "photos/b/val/1.jpg", "gt/a/1_mask.png", "gt/a/2_mask.png")
    root = lay(
        tmp_path / "own",
        *files,
        "gt/b/1_mask.png",
        images="photos/{name}.jpg",
        masks="gt/{name}_mask.png",
        split={"val": 0.3},
    )
    content = yaml.safe_load((root / "classes.yaml").read_text())
    del content["split"]
    content["images"] = "photos/a/{split}/{name}.jpg"
    content["masks"] = "gt/a/{name}_mask.png"
    (root / "classes.yaml").write_text(yaml.safe_dump(content))
    dataset = Folder(str(root), "train")
    assert names(dataset) == ["1", "2"]
    assert dataset.remarks[0] == (
        "train: 2 images with masks (images: photos/a/{split}/{name}.jpg, masks: gt/a/{name}_mask.png)"
    )
    packed = zipped(root, tmp_path / "own.zip")
    assert names(Folder(str(packed), "train")) == ["1", "2"]


def test_images_and_masks_may_lie_in_one_folder_with_several_suffixes(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        *("1.png", "1_mask.png", "2.jpg", "2_mask.tif", "notes_mask.gif", "b/3.bmp", "b/3_mask.png"),
        images="{name}.*",
        masks=["{name}_mask.png", "{name}_mask.tif"],
        split={"val": 0.3, "by": "random"},
    )
    found = [name for split in ("train", "val") for name in names(Folder(str(root), split, strict=False))]
    assert sorted(found) == ["1", "2", "b/3"]


def test_a_split_in_the_images_alone_takes_only_its_masks(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        *("rgb/train/1.jpg", "rgb/val/2.jpg", "gt/1.png", "gt/2.png", "gt/3.png"),
        images="rgb/{split}/{name}.jpg",
        masks="gt/{name}.png",
    )
    dataset = Folder(str(root), "val")
    assert names(dataset) == ["2"]
    assert dataset.orphans == [f"label {root}/gt/3.png has no image"]
    assert "1 mask without an image" in dataset.remarks[0]


CATEGORIES = """
name: categories
images: "leftImg8bit/{split}/{name}_leftImg8bit.png"
masks: "gtFine/{split}/{name}_gtFine_labelIds.png"
classes: [{name: flat, ids: [7, 8]}, {name: rest, id: 0}]
other: rest
"""


def test_cityscapes_is_read_by_templates(cityscapes: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CATEGORIES)
    dataset = Folder(str(cityscapes), "train", classes=str(tmp_path / "c.yaml"))
    assert names(dataset) == [f"{c}/{c}_{i:06d}_000019" for c in ("aachen", "bochum") for i in range(3)]
    for pair, sample in zip(dataset.pairs, dataset, strict=True):
        ids = np.array(Image.open(pair.label))
        assert (sample.mask == np.where((ids == 7) | (ids == 8), 0, 1)).all()


PAIRS = [
    f"{kind}/{name}.{suffix}" for name in ("a", "b c", "d") for kind, suffix in (("images", "jpg"), ("masks", "png"))
]


@pytest.mark.parametrize(
    ("train", "found"),
    [
        (b"a\nd\n", ["a", "d"]),
        (b"\xef\xbb\xbfa\r\n\r\n  b c \r\n", ["a", "b c"]),
        ("a\r\nb c\r\n".encode("utf-16"), ["a", "b c"]),
        (b"images/a.jpg\nimages\\d.jpg\n", ["a", "d"]),
        (b"images/a.jpg masks/a.png\r\n/images/b c.jpg   /masks/b c.png\r\n", ["a", "b c"]),
        (b"./images/b c.jpg\tmasks/b c.png", ["b c"]),
        (b"images/b c.jpg, masks/b c.png", ["b c"]),
        (b"images/a.jpg masks/d.png", ["a"]),
    ],
)
def test_lists_have_names_or_paths(train: bytes, found: list[str], tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, lists={"train": "train.txt"})
    (root / "train.txt").write_bytes(train)
    dataset = Folder(str(root), "train")
    assert names(dataset) == found
    assert f"{3 - len(found)} of 3 images in no list" in dataset.remarks


def test_lists_may_have_whole_paths_and_pairs_outside_the_templates(tmp_path: Path) -> None:
    root = lay(tmp_path, "x/1.jpg", "y/one.png", lists={"train": "l/t.txt"})
    (root / "l").mkdir()
    (root / "l/t.txt").write_text(f"{root}/x/1.jpg {root}/y/one.png")
    dataset = Folder(str(root), "train")
    assert names(dataset) == ["x/1"]
    assert dataset.pairs[0].label == root / "y/one.png"


@pytest.mark.parametrize(
    "text",
    [
        "image,mask,split\nimages/a.jpg,masks/a.png,train\n\nimages/d.jpg,masks/d.png,val\n",
        "\ufeffSplit;Image;Mask\r\ntrain;images/a.jpg;masks/a.png\r\nval;d;\r\n",
        'image\tsplit\n"a"\ttrain\nd\tval',
    ],
)
def test_a_table_has_a_header(text: str, tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, lists="data.csv")
    (root / "data.csv").write_text(text, newline="")
    assert names(Folder(str(root), "train")) == ["a"]
    assert names(Folder(str(root), "val")) == ["d"]
    assert "lists has no split 'vall' (did you mean val?); it has train, val" in message(root, "vall")


def test_each_split_may_have_a_table_beside_the_file_of_the_classes(tmp_path: Path) -> None:
    root = lay(tmp_path / "own", *PAIRS, lists={"train": "t.csv"})
    (root / "classes.yaml").rename(tmp_path / "mine.yaml")
    (tmp_path / "t.csv").write_text("mask,image\nmasks/b c.png,images/b c.jpg\n")
    assert names(Folder(str(root), "train", classes=str(tmp_path / "mine.yaml"))) == ["b c"]


MISTAKES_IN_LISTS = {
    "a missing name": ("a\n\ne\n", r"t\.txt line 3: 'e' is not an image's name or path"),
    "a near name": ("imags/a.jpg\n", r"line 1: 'imags/a.jpg' is not .*\(did you mean images/a.jpg\?\)"),
    "a missing mask": ("images/a.jpg masks/x.png", r"line 1: the mask 'masks/x.png' does not exist below"),
    "a missing image": ("images/x.jpg masks/a.png", r"line 1: the image 'images/x.jpg' does not exist below"),
    "a line twice": ("a\nd\na\n", r"t\.txt line 3: 'a' is also in .*t\.txt line 1: remove one"),
    "empty": ("\r\n\r\n", r"t\.txt lists no images"),
    "another encoding": (b"\xe4", r"t\.txt is not a text in UTF-8 .*save it in this encoding"),
    "a mask alone": ("masks/a.png\n", r"masks/a.png is a file, but the template of images in classes.yaml"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES_IN_LISTS.values(), ids=MISTAKES_IN_LISTS)
def test_mistakes_in_lists_name_the_line(text: str | bytes, expected: str, tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, lists={"train": "t.txt"})
    (root / "t.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert re.search(expected, message(root))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images/a.jpg,masks/a.png,train\n",
            "its first line is 'images/a.jpg,masks/a.png,train', without a column image",
        ),
        ("images,split\na,train", r"without a column image (did you mean images?)"),
        (
            "image,mask,split\nimages/x.jpg,masks/a.png,train",
            "data.csv line 2: the image 'images/x.jpg' does not exist",
        ),
    ],
)
def test_mistakes_in_tables_name_the_column_or_line(text: str, expected: str, tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, lists="data.csv")
    (root / "data.csv").write_text(text)
    assert expected in message(root)


def test_a_missing_list_is_named_with_the_nearest(tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, lists={"train": "lists/train.txt"})
    (root / "train.txt").write_text("a")
    assert f"{root} holds no lists/train.txt, which lists in classes.yaml names (did you mean train.txt?)" in message(
        root
    )


def test_images_of_two_lists_are_told(tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, lists={"train": "train.txt", "val": "val.txt"})
    (root / "train.txt").write_text("a\nd")
    (root / "val.txt").write_text("d")
    assert "1 image of val also in train, for example d" in Folder(str(root), "val").remarks


def books(count: int = 20, pages: int = 5) -> list[str]:
    return [
        f"{kind}/b{book}-{page}.png" for book in range(count) for page in range(pages) for kind in ("images", "masks")
    ]


@pytest.mark.parametrize("rest", [{"groups": "{group}-*"}, {"by": "prefix"}], ids=["a template", "the prefix"])
def test_groups_stay_together(rest: dict, tmp_path: Path) -> None:
    split = {"val": 0.2, "test": 0.1, **({"by": rest["by"]} if "by" in rest else {})}
    root = lay(tmp_path, *books(), split=split, **({} if "by" in rest else rest))
    parts = {split: Folder(str(root), split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [70, 20, 10]
    groups = [{name.split("-")[0] for name in names(part)} for part in parts.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert "val: 20 of 100 images, 4 of 20 groups (val 0.2, test 0.1, seed 0)" in parts["val"].remarks


def test_a_division_depends_on_names_and_seed_alone(tmp_path: Path) -> None:
    """The names are written down here: they must be the same on every system and in every version."""
    root = lay(tmp_path, *books(8, 2), split={"val": 0.25, "by": "prefix"})
    assert names(Folder(str(root), "val")) == ["b3-0", "b3-1", "b4-0", "b4-1"]
    lay(tmp_path, split={"val": 0.25, "by": "prefix", "seed": 1})
    assert names(Folder(str(root), "val")) == ["b0-0", "b0-1", "b1-0", "b1-1"]


def test_most_places_stay_when_files_are_added(tmp_path: Path) -> None:
    root = lay(tmp_path, *books(20, 1), split={"val": 0.25, "by": "prefix"})
    before = set(names(Folder(str(root), "val")))
    lay(tmp_path, *books(24, 1), split={"val": 0.25, "by": "prefix"})
    after = set(names(Folder(str(root), "val")))
    assert len(after) == 6
    assert len(before - after) <= 2  # new groups may come before them in the order


def test_folds_cover_every_image_once(tmp_path: Path) -> None:
    root = lay(tmp_path, *books(7, 2), split={"folds": 3, "fold": 0, "by": "prefix"})
    parts = [names(Folder(str(root), "val", fold=fold)) for fold in range(3)]
    assert names(Folder(str(root), "val")) == parts[0]
    assert sorted(name for part in parts for name in part) == sorted(
        f"b{book}-{page}" for book in range(7) for page in range(2)
    )
    assert min(map(len, parts)) >= 4
    train = Folder(str(root), "train", fold=1)
    assert not set(names(train)) & set(parts[1])
    assert "train: 8 of 14 images, 4 of 7 groups (fold 1 of 3, seed 0)" in train.remarks


def test_folders_are_groups(tmp_path: Path) -> None:
    files = [f"{kind}/day{day}/{i}.png" for day in range(4) for i in range(3) for kind in ("images", "masks")]
    root = lay(tmp_path, *files, split={"val": 0.25, "by": "folder"})
    assert len({name.split("/")[0] for name in names(Folder(str(root), "val"))}) == 1


def test_a_group_in_two_lists_is_an_error(tmp_path: Path) -> None:
    root = lay(tmp_path, *books(2, 2), lists={"train": "t.txt", "val": "v.txt"}, groups="{group}-*")
    (root / "t.txt").write_text("b0-0\nb1-0\n")
    (root / "v.txt").write_text("b1-1\n")
    expected = (
        f"the group 'b1' is in train ({root}/t.txt line 2) and in val ({root}/v.txt line 1), but a group must stay"
    )
    assert expected in message(root)


def test_a_group_in_two_folders_of_splits_is_an_error(tmp_path: Path) -> None:
    files = [f"{kind}/{path}.png" for path in ("train/a-1", "val/a-2") for kind in ("images", "masks")]
    root = lay(tmp_path, *files, groups="{group}-*")
    assert "the group 'a' is in train (images/train/a-1.png) and in val (images/val/a-2.png)" in message(root)


def test_a_mask_without_image_or_the_reverse_is_told(tmp_path: Path) -> None:
    paths = {"images": "{name}.jpg", "masks": "{name}_mask.png", "split": {"val": 0.5}}
    root = lay(tmp_path, "1.jpg", "1_mask.png", "2.jpg", "3.jpg", "3_mask.png", "4_mask.png", **paths)
    told = [Folder(str(root), split, strict=False) for split in ("train", "val")]
    assert [line for each in told for line in each.unlabelled] == [f"image {root}/2.jpg has no label"]
    assert [line for each in told for line in each.orphans] == [f"label {root}/4_mask.png has no image"]
    errors = [message(root, each.split) for each in told if each.unlabelled]
    assert f"image {root}/2.jpg has no label" in errors[0]
    assert "images: {name}.jpg, masks: {name}_mask.png" in errors[0]


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    root = lay(
        tmp_path,
        "i/1.jpg",
        "i/1.png",
        "m/1.png",
        "i/2.png",
        "m/2.png",
        images="i/{name}.*",
        masks="m/{name}.png",
        split={"val": 0.5},
    )
    [error] = [line for split in ("train", "val") for line in Folder(str(root), split, strict=False).unlabelled]
    assert error == f"two files are called 1: {root}/i/1.jpg and {root}/i/1.png"


NOTHING_FOUND = {
    "images": (
        {"images": "photo/{name}.jpg"},
        r"images: photo/{name}\.jpg in classes\.yaml fits none of 4 files; the nearest .* photos/1\.jpg",
    ),
    "masks": (
        {"masks": "g/{name}.png"},
        r"masks: g/{name}\.png in classes\.yaml fits none of 4 files; .* is gt/1_mask\.png",
    ),
    "names": ({"masks": "gt/{name}k.png"}, r"The mask of photos/1\.jpg would be gt/1k\.png; there is gt/1_mask\.png"),
}


@pytest.mark.parametrize(("change", "expected"), NOTHING_FOUND.values(), ids=NOTHING_FOUND)
def test_a_template_that_fits_nothing_shows_the_nearest_file(change: dict, expected: str, tmp_path: Path) -> None:
    paths = {"images": "photos/{name}.jpg", "masks": "gt/{name}_mask.png", "split": {"val": 1.0}, **change}
    root = lay(tmp_path, "photos/1.jpg", "gt/1_mask.png", "extra.png", **paths)
    assert re.search(expected, message(root, "val"))


def test_a_split_that_is_not_there_names_the_others(tmp_path: Path) -> None:
    root = lay(tmp_path, "training/1.jpg", "m/1.png", images="{split}/{name}.jpg", masks="m/{name}.png")
    assert "{split}/{name}.jpg finds the splits training" in message(root, "train")


IMPOSSIBLE = {
    "an unknown place": ({"images": "{names}.jpg"}, r"{names} (did you mean name?); it may have {name}, {split} and *"),
    "no name": ({"images": "a.jpg"}, "the template 'a.jpg' has no {name}"),
    "no text": ({"images": {"name": None}}, "images holds {'name': None}; it needs a path in quotation marks"),
    "no split": ({"images": "{name}.jpg"}, "nothing says which split an image belongs to: write {split} in images"),
    "two rules": ({"lists": "a.csv", "split": {"val": 0.1}}, "lists and split both say"),
    "a path and a rule": (
        {"images": "{split}/{name}.jpg", "split": {"val": 0.1}},
        "and split divides the images as well",
    ),
    "a split of masks": (
        {"images": "{name}.jpg", "masks": "{split}/{name}.png"},
        "masks has {split} and images has not",
    ),
    "some with a split": ({"images": ["{name}.jpg", "{split}/{name}.png"]}, "some templates have {split}"),
    "lists": ({"lists": ["a.txt"]}, "lists is ['a.txt']; it needs the file of each split"),
    "a key": ({"spilt": {"val": 0.1}}, "unknown keys ['spilt'] (did you mean split?)"),
    "a key of masks": (
        {"masks": {"path": "{name}.png"}},
        "unknown keys ['path'] (did you mean paths?); masks has paths",
    ),
    "a share above 1": ({"split": {"val": 15}}, "split has val: 15.0; a share is more than 0 and at most 1"),
    "a share of 0": ({"split": {"val": 0}}, "split has val: 0.0; a share"),
    "shares above 1": ({"split": {"val": 0.6, "test": 0.6}}, "the shares in split are 1.2 together"),
    "shares with train": ({"split": {"train": 0.6, "val": 0.2}}, "split are 0.8 together; with train they must be 1"),
    "no share": ({"split": {"by": "random"}}, "split gives no share"),
    "no mapping": ({"split": 0.1}, "split is 0.1; it needs shares, such as {val: 0.15, by: folder}"),
    "a word as share": ({"split": {"sed": "x"}}, "split has sed: 'x' (did you mean seed?)"),
    "by": (
        {"split": {"val": 0.1, "by": "folders"}},
        "by: 'folders' (did you mean folder?); it can be folder, prefix, random",
    ),
    "by and groups": ({"split": {"val": 0.1, "by": "folder"}, "groups": "{group}-*"}, "groups and by both say"),
    "groups": ({"split": {"val": 0.1}, "groups": "book"}, "groups is 'book'; it needs one {group}"),
    "a fold too many": ({"split": {"folds": 3, "fold": 3}}, "fold: 3 of folds: 3; fold must be from 0 to 2"),
    "one fold": ({"split": {"folds": 1}}, "split has folds: 1; it needs 2 or more"),
    "folds and shares": ({"split": {"folds": 2, "val": 0.1}}, "unknown keys ['val']; split with folds has"),
    "a fold alone": ({"split": {"fold": 1}}, "split has fold: 1 without folds"),
    "a seed": ({"split": {"val": 0.1, "seed": "x"}}, "split has seed: 'x'; it must be a whole number"),
}


@pytest.mark.parametrize(("content", "expected"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_descriptions_that_are_not_possible(content: dict, expected: str, tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS, **content)
    text = message(root)
    assert expected in text
    assert text.startswith(f"{root}/classes.yaml can't be understood: ")


def test_too_few_groups_are_an_error(tmp_path: Path) -> None:
    root = lay(tmp_path, *books(1, 3), split={"val": 0.5, "by": "prefix"})
    assert "1 group ('b0') can't be divided into train, val" in message(root)
    lay(tmp_path, split={"val": 0.5}, groups="{group}_*")
    assert "groups is '{group}_*', which does not fit the name 'b0-0'" in message(root)
    lay(tmp_path, split={"val": 0.5})
    assert "split has no split 'tset' (did you mean test?)" not in message(root, "tset")


def test_a_fold_needs_folds(tmp_path: Path) -> None:
    assert "fold is 1, but no split: {folds: 5} is described" in message(lay(tmp_path, *PAIRS), fold=1)
    assert "fold is 1, but split has no folds" in message(lay(tmp_path, split={"val": 0.5}), fold=1)
    assert "fold is 1, but no split" in message(lay(tmp_path, lists="a.csv"), fold=1)


def test_a_missing_file_of_classes_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/none.yaml can't be read" in message(lay(tmp_path, *PAIRS), classes=f"{tmp_path}/none.yaml")


def test_a_template_without_quotation_marks_is_explained(tmp_path: Path) -> None:
    root = lay(tmp_path, *PAIRS)
    (root / "classes.yaml").write_text("classes: [a]\nimages: {name}.jpg\n")
    assert 'a template such as "photos/{name}.jpg" needs quotation marks' in message(root)
