"""Photographs with EXIF tags: turned in prediction, and in training only if their masks are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from segrnn.dataset_tools.checking import examine
from segrnn.dataset_tools.occurrence import describe_occurrence, look
from segrnn.dataset_tools.packing import Pack
from segrnn.datasets import Folder
from segrnn.errors import DataError
from segrnn.images import as_array, read_image
from segrnn.images.reading import read_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
TAG = 0x0112


def write(path: Path, orientation: object, pixels: np.ndarray = PIXELS) -> Path:
    exif = Image.Exif()
    exif[TAG] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_photos_are_turned_as_pillow_turns_them(orientation: int, suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"photo{suffix}", orientation)
    pixels, is_turned = read_photo(path)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert np.array_equal(pixels, upright)
    assert np.array_equal(as_array(path), upright)
    assert is_turned == (orientation > 1 and suffix != ".tif")  # Pillow turns a TIFF when it decodes it
    if suffix == ".png":
        assert np.array_equal(read_image(path), PIXELS)


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_senseless_tags_turn_nothing(orientation: int, tmp_path: Path) -> None:
    assert np.array_equal(read_photo(write(tmp_path / "a.png", orientation))[0], PIXELS)


def test_damaged_tags_turn_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03", b"x"):
        Image.fromarray(PIXELS).save(path, exif=exif)
        pixels, is_turned = read_photo(path)
        assert np.array_equal(pixels, PIXELS)
        assert not is_turned


def folder(root: Path, orientation: int, ids: np.ndarray) -> Folder:
    write(root / "images/train/a.png", orientation)
    (root / "masks/train").mkdir(parents=True)
    Image.fromarray(ids.astype(np.uint8)).save(root / "masks/train/a.png")
    (root / "classes.yaml").write_text("classes: [road, car]\n")
    return Folder(str(root), "train")


IDS = PIXELS[..., 0] % 2


def test_pairs_of_one_size_are_read_as_they_are_stored(tmp_path: Path) -> None:
    dataset = folder(tmp_path, 6, IDS)
    assert np.array_equal(dataset[0].image, PIXELS)
    assert describe_occurrence(dataset, [look(dataset, 0)]) == []


def test_an_image_is_turned_if_only_then_it_fits_its_mask(tmp_path: Path) -> None:
    dataset = folder(tmp_path / "data", 6, np.rot90(IDS, -1))
    assert np.array_equal(dataset[0].image, np.rot90(PIXELS, -1))
    assert examine(dataset, 0).problems == []
    assert describe_occurrence(dataset, [look(dataset, 0)]) == [
        "1 of the images are turned as their EXIF tags say, e.g. a, because only then they fit their labels"
    ]
    Pack(tmp_path / "packed")(dataset, 0)
    assert np.array_equal(np.load(tmp_path / "packed/images/train/a.npy"), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("orientation", [1, 3])
def test_a_turn_that_no_tag_explains_is_an_error(orientation: int, tmp_path: Path) -> None:
    dataset = folder(tmp_path, orientation, np.rot90(IDS))
    with pytest.raises(DataError, match=r"they match when turned, but no EXIF tag of the image says how"):
        dataset[0]
