"""Pictures that two splits share are named, and others are not."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.dataset_tools.near_duplicates import describe_same_files, describe_shared, fingerprint
from segrnn.datasets import Folder


def photo(seed: int) -> np.ndarray:
    """A smooth picture with some grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((120, 90), Image.Resampling.BICUBIC))
    return smooth // 2 + rng.integers(0, 60, (90, 120, 3), np.uint8)


def saved_again(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).resize((77, 58)).save(stream, "JPEG", quality=50)
    return np.asarray(Image.open(stream))


def paler(image: np.ndarray) -> np.ndarray:
    return (image * 0.8 + 20).astype(np.uint8)


@pytest.mark.parametrize("change", [np.copy, saved_again, paler])
def test_a_picture_in_two_splits_is_named(change) -> None:
    train = [fingerprint(f"t{i}", photo(i)) for i in range(30)]
    val = [fingerprint(f"v{i}", photo(100 + i)) for i in range(8)]
    assert describe_shared({"train": train, "val": val}) == []
    [line] = describe_shared({"train": train, "val": [*val, fingerprint("again", change(photo(7)))]})
    assert line.startswith("1 image of val looks like an image of train: again like t7: a score is too good")


def test_only_some_are_named_and_all_splits_are_compared() -> None:
    prints = [fingerprint(f"x/{i}", photo(i)) for i in range(14)]
    lines = describe_shared({"train": prints, "val": prints[:12], "test": prints[13:]})
    assert [line.partition(":")[0] for line in lines] == [
        "12 images of val look like images of train",
        "1 image of test looks like an image of train",
    ]
    assert "x/0 like x/0, " in lines[0]
    assert "and 2 more" in lines[0]


def test_a_file_of_two_splits_is_told_without_reading_it(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("lists: {train: train.txt, val: val.txt}\nclasses: [road]\n")
    for split, names in {"train": "abc", "val": "bcd"}.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(f"{name}.jpg {name}.png" for name in names))
    for name in "abcd":
        (tmp_path / f"{name}.jpg").touch()
        (tmp_path / f"{name}.png").touch()
    train, val = (Folder(str(tmp_path), split) for split in ("train", "val"))
    [line] = describe_same_files(train, val)
    assert line.startswith("2 of the 3 images of val are images of train, too, e.g. b: a score is too good")
    assert describe_same_files(train.first(1), val) == []


def test_pictures_without_a_pattern_are_like_nothing() -> None:
    flat = [fingerprint(str(level), np.full((20, 30, 3), level, np.uint8)) for level in (0, 90, 255)]
    assert describe_shared({"train": flat[:2], "val": flat[2:]}) == []
    assert describe_shared({"train": [], "val": flat}) == []
