"""What labels lack is said, with the likely mistake."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run
from PIL import Image

from segrnn.dataset_tools.occurrence import (
    describe_counts,
    describe_occurrence,
    describe_small,
    look,
    look_at_some,
)
from segrnn.datasets import Folder
from segrnn.datasets.statistics import ClassStatistics

IDS = "classes:\n  - {name: ground, color: [10, 20, 30]}\n  - {name: crack, color: [200, 0, 0]}\n"
COLORS = f"{IDS}masks: colors\n"


def draw(root: Path, classes: str, *masks: Image.Image, image: np.ndarray | None = None) -> Folder:
    for number, mask in enumerate(masks):
        for kind in ("images", "masks"):
            (root / kind / "train").mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((*mask.size[::-1], 3), np.uint8) if image is None else image
        Image.fromarray(pixels).save(root / "images/train" / f"{number}.png")
        mask.save(root / "masks/train" / f"{number}.png")
    (root / "classes.yaml").write_text(classes)
    return Folder(str(root), "train")


def said(dataset: Folder) -> list[str]:
    lines = describe_occurrence(dataset, look_at_some(dataset))
    assert lines == describe_occurrence(dataset, [look(dataset, index) for index in range(len(dataset))])
    return lines


def grey(*rows: list[int]) -> Image.Image:
    return Image.fromarray(np.array(rows, np.uint8))


def colored(*rows: list[tuple[int, int, int]]) -> Image.Image:
    return Image.fromarray(np.array(rows, np.uint8))


def paletted(colors: list[int], *rows: list[int]) -> Image.Image:
    picture = grey(*rows)
    picture.putpalette(colors)
    return picture


def test_masks_with_all_classes_need_no_word(tmp_path: Path) -> None:
    assert said(draw(tmp_path, IDS, grey([0, 0, 255], [0, 0, 0]), grey([1, 1, 1]))) == []


def test_masks_of_0_and_255(tmp_path: Path) -> None:
    assert said(draw(tmp_path, IDS, grey([0, 0, 255, 255]), grey([255, 255, 255, 255]))) == [
        "class crack occurs in none of the 2 train labels; 75.0 % of their pixels hold 255, which is ignored: if these "
        "are masks of 0 and 255, give crack `id: 255` and write `ignore: []`",
        "1 of the 2 train labels hold only void, e.g. 1: they teach nothing",
    ]


def test_classes_that_never_occur_are_named(tmp_path: Path) -> None:
    more = "".join(f"  - {{name: more{i}}}\n" for i in range(4))
    assert said(draw(tmp_path, f"{IDS}{more}ignore: [99]\n", grey([1, 1, 99, 1]))) == [
        "classes ground, more0, more1 and 2 more occur in none of the 1 train labels; 25.0 % of their pixels hold 99, "
        "which is ignored"
    ]


def test_a_colour_that_is_one_off(tmp_path: Path) -> None:
    mask = colored([(10, 20, 30), (201, 0, 0), (201, 0, 0), (0, 255, 0)])
    assert said(draw(tmp_path, COLORS, mask)) == [
        "class crack occurs in none of the 1 train labels",
        "75.0 % of the pixels of the 1 train labels have a colour that no class has, and are ignored: (201, 0, 0) 1 "
        "off crack (2), (0, 255, 0) (1)",
    ]


def test_palettes_that_contradict(tmp_path: Path) -> None:
    right, swapped = [10, 20, 30, 200, 0, 0], [200, 0, 0, 10, 20, 30]
    assert said(draw(tmp_path / "right", IDS, paletted(right, [0, 1]), paletted(right, [1, 1]))) == []
    lines = said(draw(tmp_path / "wrong", IDS, paletted(right, [0, 1]), paletted(swapped, [0, 1])))
    assert lines[:2] == [
        "palettes contradict each other: 0 is (10, 20, 30) in 0 and (200, 0, 0) in 1",
        "the palette of 1 shows 0 in the colour of class crack, whose id is 1: are the classes numbered in another way "
        "there?",
    ]


def test_images_of_12_bits_in_16(tmp_path: Path) -> None:
    image = np.full((1, 2), 3000, np.uint16)
    assert said(draw(tmp_path / "dark", IDS, grey([0, 1]), image=image)) == [
        "1 of the images have 16 bits, e.g. 0. Only the upper 8 bits are read, and these are nearly empty: "
        "scale the images to 8 bits"
    ]
    assert said(draw(tmp_path / "full", IDS, grey([0, 1]), image=image * 20)) == []


def test_statistics_tell_the_classes_of_all_labels(tmp_path: Path) -> None:
    dataset = draw(tmp_path, IDS, grey([0, 0]), grey([0, 1]))
    counts = np.array([[2, 0, 0], [2, 0, 0]])
    statistics = ClassStatistics(("ground", "crack"), ("0", "1"), counts)
    assert describe_counts(dataset, statistics) == ["class crack occurs in none of the 2 train labels"]
    assert describe_counts(dataset, replace(statistics, counts=np.array([[2, 0, 0], [1, 1, 0]]))) == []


def test_images_smaller_than_a_crop_are_told(tmp_path: Path) -> None:
    dataset = draw(tmp_path, IDS, grey([0, 1, 1]), grey([0], [1]), grey([0, 1, 1], [1, 1, 1]))
    found = [look(dataset, index) for index in range(3)]
    assert describe_small(dataset, found, [2, 3], None) == [
        "2 of the 3 train images are smaller than data.crop=[2,3]: 0, for example, is 1 high and 3 wide. The rest of "
        "their crops is void"
    ]
    assert describe_small(dataset, found, [1, 1], None) == []
    assert describe_small(dataset, found, [2, 1], [2, 6]) == []  # at the base size, 0 is 2 x 6 and 1 is 4 x 2
    [line] = describe_small(dataset, found[1:], [2, 3], [2, 6])
    assert line.startswith("1 of the 2 train images that were looked at, of 3 are smaller than data.crop=[2,3]: 1, ")
    assert "2 high and 1 wide before data.base_size. " in line


def test_of_many_labels_some_are_looked_at(tmp_path: Path) -> None:
    dataset = draw(tmp_path, IDS, *[grey([0, 0])] * 70)
    found = look_at_some(dataset)
    assert len(found) <= 64
    assert describe_occurrence(dataset, found)[0].startswith(
        f"class crack occurs in none of the {len(found)} train labels that were looked at, of 70"
    )


@pytest.mark.parametrize("command", ["train", "check"])
def test_commands_say_it(command: str, run: Run, own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (own_folder / "masks").rglob("*.png"):
        ids = np.array(Image.open(path))
        Image.fromarray(np.where(ids == 40, 255, ids).astype(np.uint8)).save(path)
    data = ["data=folder", f"data.root={own_folder}"]
    if command == "train":
        assert run("train", *SMALL, *data, "trainer.max_steps=1") == 0
    else:
        assert run("prepare", "check", *data, "workers=0") == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert "class car occurs in none of the 4 train labels; " in out
    assert "class car occurs in none of the 2 val labels; " in out
    assert ("are smaller than data.crop=" in out) == (command == "check")  # a crop of 32 x 32 fits into 36 x 52


@pytest.mark.parametrize("classes", [IDS, COLORS])
def test_labels_of_any_size_that_the_data_allows_are_looked_at(
    classes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = paletted([10, 20, 30, 200, 0, 0], [0, 1, 1]) if classes == IDS else colored([(10, 20, 30), (200, 0, 0)])
    draw(tmp_path, classes, mask)
    monkeypatch.setattr("segrnn.images.label_files.read_colors.__defaults__", (1,))
    monkeypatch.setattr("segrnn.images.label_files.open_label.__defaults__", (1,))
    assert said(Folder(str(tmp_path), "train")) == []
