import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.dataset_tools.checking import examine
from segrnn.datasets import CamVid, Folder, SegmentationDataset

IDS = np.array([[0, 1, 1], [1, 0, 255]], np.uint8)
PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A plain folder with one pair."""
    for kind, pixels in (("images", PIXELS), ("masks", IDS)):
        (tmp_path / kind / "train").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / kind / "train" / "one.png")
    (tmp_path / "classes.yaml").write_text("classes: [road, car]\n")
    return tmp_path


def problems_of(dataset: SegmentationDataset) -> list[str]:
    per_pair = [problem for index in range(len(dataset)) for problem in examine(dataset, index).problems]
    return [*dataset.unlabelled, *dataset.orphans, *per_pair]


def of_folder(root: Path) -> list[str]:
    return problems_of(Folder(str(root), "train", strict=False))


def test_good_files_have_no_problems(root: Path, camvid: Path) -> None:
    assert of_folder(root) == []
    assert problems_of(CamVid(str(camvid), "train", strict=False)) == []


def write_16_bit_colors(path: Path) -> None:
    """By hand, as Pillow has no such images."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in PIXELS)
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0), b"IDAT": zlib.compress(rows), b"IEND": b""}
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks.items()
        )
    )


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (write_16_bit_colors, "has 16 bits in each channel; only 8 of them are read"),
        (lambda path: Image.fromarray(PIXELS[..., 0].astype(np.uint16)).save(path), "has 16 bits in each channel"),
        (
            lambda path: Image.fromarray(PIXELS[..., 0].astype(np.float32)).save(path, "tiff"),
            "has mode F: it has more than",
        ),
    ],
    ids=["16-bit colours", "16-bit grey", "float"],
)
def test_images_of_more_than_8_bits_are_told(root: Path, plant: Callable[[Path], None], reason: str) -> None:
    path = root / "images" / "train" / "one.png"
    plant(path)
    [problem] = of_folder(root)
    assert problem.startswith(f"{path} {reason}")


def test_both_files_of_a_pair_are_told(root: Path) -> None:
    for kind in ("images", "masks"):
        (root / kind / "train" / "one.png").write_bytes(b"")
    assert [problem.partition(" (0 bytes) can't be decoded")[0] for problem in of_folder(root)] == [
        str(root / kind / "train" / "one.png") for kind in ("images", "masks")
    ]


def test_two_files_of_one_name_are_told(root: Path) -> None:
    for kind, pixels in (("images", PIXELS), ("masks", IDS)):
        Image.fromarray(pixels).save(root / kind / "train" / "one.bmp")
    images, masks = of_folder(root)
    assert images == f"two files are called one: {root}/images/train/one.bmp and {root}/images/train/one.png"
    assert masks == f"two files are called one: {root}/masks/train/one.bmp and {root}/masks/train/one.png"


def test_a_palette_is_a_problem_only_where_the_published_labels_have_none(root: Path, camvid: Path) -> None:
    for path in (root / "masks" / "train" / "one.png", camvid / "trainannot" / "0001TP_000001.png"):
        picture = Image.open(path)
        picture.putpalette(list(range(256)) * 3)
        picture.save(path)
    assert of_folder(root) == []
    [problem] = problems_of(CamVid(str(camvid), "train"))
    assert problem.startswith(f"{camvid}/trainannot/0001TP_000001.png has a palette; its indices are read as ids")


def test_packed_files_are_checked_as_well(root: Path) -> None:
    for kind, pixels in (("images", PIXELS), ("masks", IDS)):
        (root / kind / "train" / "one.png").unlink()
        np.save(root / kind / "train" / "one.npy", pixels)
    assert of_folder(root) == []
    np.save(root / "masks" / "train" / "one.npy", np.full_like(IDS, 255))
    assert of_folder(root) == [f"{root}/masks/train/one.npy: all pixels are void"]


def test_a_damaged_member_of_an_archive_is_told(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    member = "images/train/one.png"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in (member, "masks/train/one.png", "classes.yaml"):
            zipped.write(root / name, name)
        start = zipped.getinfo(member).header_offset + 30 + len(member)
    content = bytearray(path.read_bytes())
    content[start] = 0xFF  # no kind of compressed block
    path.write_bytes(content)
    [problem] = of_folder(path)
    assert problem.startswith(f"{path}:{member} can't be read: ")
