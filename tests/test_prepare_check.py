"""The check of a dataset as a whole command: 100 images and 100 labels, of which some are broken."""

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, blocks, write_pair
from PIL import Image

CITIES = {"aachen": "train", "bochum": "train", "ulm": "train", "frankfurt": "val"}


def image_of(city: str, frame: int) -> str:
    return f"leftImg8bit/{CITIES[city]}/{city}/{city}_{frame:06d}_000019_leftImg8bit.png"


def label_of(city: str, frame: int) -> str:
    return f"gtFine/{CITIES[city]}/{city}/{city}_{frame:06d}_000019_gtFine_labelIds.png"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A Cityscapes tree of 200 files."""
    root = tmp_path / "cityscapes"
    rng = np.random.default_rng(3)
    for city in CITIES:
        for frame in range(25):
            write_pair(root / image_of(city, frame), root / label_of(city, frame), blocks(rng, [7, 11, 26]), rng)
    assert sum(path.is_file() for path in root.rglob("*")) == 200
    return root


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def rewrite(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(change(np.array(Image.open(path)))).save(path)


def add_palette(path: Path) -> None:
    picture = Image.open(path)
    picture.putpalette(list(range(256)) * 3)
    picture.save(path)


DEFECTS: dict[str, tuple[Callable[[Path], None], str]] = {
    label_of("aachen", 0): (Path.unlink, f"image ROOT{image_of('aachen', 0)} has no label"),
    image_of("aachen", 1): (Path.unlink, f"label ROOT{label_of('aachen', 1)} has no image"),
    label_of("aachen", 2): (rewrite(lambda ids: ids[:-2]), "sizes differ: image .* is 52 x 36, label FILE is 52 x 34"),
    label_of("aachen", 3): (rewrite(np.transpose), "sizes differ: .* FILE is 36 x 52 .they match when turned.*"),
    label_of("bochum", 0): (
        rewrite(lambda ids: ids.astype(np.uint16)),
        "FILE has mode I;16; a label holds one 8-bit.*",
    ),
    label_of("bochum", 1): (add_palette, "FILE has a palette; .*"),
    label_of("bochum", 2): (rewrite(lambda ids: np.stack([ids] * 3, -1)), "FILE has mode RGB; .* the colour picture.*"),
    label_of("bochum", 3): (rewrite(lambda ids: ids > 7), "FILE has mode 1; .*"),
    image_of("ulm", 0): (truncate, "FILE .* can't be decoded: .*truncated.*"),
    label_of("ulm", 0): (truncate, "FILE .* can't be decoded: .*truncated.*"),
    image_of("ulm", 1): (
        lambda path: path.write_text("<html>"),
        "FILE .* can't be decoded: cannot identify image file",
    ),
    label_of("ulm", 2): (lambda path: path.write_bytes(b""), "FILE .* can't be decoded: the file is empty"),
    label_of("frankfurt", 0): (rewrite(lambda ids: ids + 100), r"FILE: ids \[107, 111, 126\] are not in the City.*"),
    label_of("frankfurt", 1): (rewrite(lambda ids: 0 * ids), "FILE: all pixels are void"),
    label_of("frankfurt", 2): (
        rewrite(lambda ids: 0 * ids + 255),
        r"FILE: ids \[255\] .*; these look like train ids.*",
    ),
}
"""What is done to a file, and what must be said about it."""


@pytest.fixture
def broken(tree: Path) -> Path:
    """The tree with one defect of each kind."""
    for name, (plant, _) in DEFECTS.items():
        plant(tree / name)
    return tree


@pytest.fixture
def archive(broken: Path) -> Path:
    """The tree with its defects, zipped; a byte of one more member is wrong."""
    path = broken.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as zipped:
        for file in sorted(broken.rglob("*.png")):
            zipped.write(file, file.relative_to(broken))
        damaged = zipped.getinfo(image_of("frankfurt", 3))
    content = bytearray(path.read_bytes())
    content[damaged.header_offset + 300] ^= 1
    path.write_bytes(content)
    return path


def require_each_defect(problems: list[str], root: str) -> None:
    """Each defect is told once, with its file."""
    for name, (_, reason) in DEFECTS.items():
        pattern = reason.replace("FILE", re.escape(root + name)).replace("ROOT", re.escape(root))
        assert sum(re.fullmatch(pattern, problem) is not None for problem in problems) == 1, f"{pattern}: {problems}"


def problems_in(out: str, root: Path) -> list[str]:
    return [line for line in out.splitlines() if str(root) in line]


@pytest.mark.parametrize("workers", ["workers=0", "workers=1", "workers=null"])
def test_each_defect_is_told_with_its_file_and_nothing_else(
    run: Run, broken: Path, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("prepare", "check", "data=cityscapes", f"data.root={broken}", workers) == 2
    out, err = capsys.readouterr()
    problems = problems_in(out, broken)
    require_each_defect(problems, f"{broken}/")
    assert len(problems) == len(DEFECTS)
    assert "train: 73 pairs of image and label, 12 problems" in out
    assert "val: 25 pairs of image and label, 3 problems" in out
    assert err == f"error: 15 problems in {broken}, listed above\n"


def test_an_archive_is_checked_without_extracting_it(
    run: Run, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("prepare", "check", "data=cityscapes", f"data.root={archive}", "workers=2") == 2
    out, err = capsys.readouterr()
    problems = problems_in(out, archive)
    require_each_defect(problems, f"{archive}:")
    [damaged] = [problem for problem in problems if "Bad CRC-32" in problem]
    assert damaged.startswith(f"{archive}:{image_of('frankfurt', 3)} can't be read: ")
    assert len(problems) == len(DEFECTS) + 1
    assert err == f"error: 16 problems in {archive}, listed above\n"


def test_a_whole_tree_has_no_problems(run: Run, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "check", "data=cityscapes", f"data.root={tree}", "workers=0") == 0
    out, err = capsys.readouterr()
    assert "train: 75 pairs of image and label, 0 problems" in out
    assert "val: 25 pairs of image and label, 0 problems" in out
    assert problems_in(out, tree) == []
    assert err == ""


def test_a_tree_of_images_alone_is_listed(run: Run, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in (tree / "gtFine" / "val").rglob("*.png"):
        label.unlink()
    assert run("prepare", "check", "data=cityscapes", f"data.root={tree}", "splits=[val]") == 2
    out, err = capsys.readouterr()
    assert "val: 0 pairs of image and label, 25 problems" in out
    assert err == f"error: 25 problems in {tree}, listed above\n"


def test_what_is_passed_over_is_told_and_is_no_problem(run: Run, own_folder: Path, capsys) -> None:
    (own_folder / "images" / "val" / "notes.txt").write_text("x")
    assert run("prepare", "check", "data=folder", f"data.root={own_folder}", "workers=0") == 0
    assert "images/val: 1 other file is passed over: 1 .txt" in capsys.readouterr().out


def test_what_teaches_little_is_told_and_is_no_problem(run: Run, own_folder: Path, capsys) -> None:
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        shutil.copy(own_folder / kind / f"train/day0/2.{suffix}", own_folder / kind / f"val/again.{suffix}")
    assert run("prepare", "check", "data=folder", f"data.root={own_folder}", "data.crop=[40,40]", "workers=0") == 0
    out = capsys.readouterr().out
    assert "4 of the 4 train images are smaller than data.crop=[40,40]: day0/0, for example, is 36 high" in out
    assert "1 image of val looks like an image of train: again like day0/2: a score is too good" in out
    assert "val: 3 pairs of image and label, 0 problems" in out


def test_a_split_is_needed(run: Run, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prepare", "check", "data=cityscapes", f"data.root={tree}", "splits=[]") == 2
    assert "splits=[] must contain at least one split" in capsys.readouterr().err
