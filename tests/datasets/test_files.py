from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.datasets import ADE20K, CamVid, CamVidOriginal, Cityscapes, Folder, read_image, read_label
from segrnn.errors import DataError


@pytest.mark.parametrize("dataset", [ADE20K, CamVid, CamVidOriginal, Cityscapes, Folder])
def test_an_empty_root_says_the_tree_and_the_override(dataset: type, tmp_path: Path) -> None:
    for split in ("train", "nosuch"):
        with pytest.raises(DataError, match=rf"{tmp_path} holds no (.|\n)*data\.root=") as error:
            dataset(str(tmp_path), split)
        assert dataset.layout in str(error.value)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "RGB", "CMYK", "1"])
def test_every_kind_of_image_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new("RGB", (5, 4), (200, 200, 200)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8


def test_a_palette_is_not_applied_to_labels(tmp_path: Path) -> None:
    label = Image.fromarray(np.array([[0, 7, 11]], np.uint8)).convert("P")
    label.putpalette([255, 0, 0] * 256)
    label.save(tmp_path / "label.png")
    assert read_label(tmp_path / "label.png").tolist() == [[0, 7, 11]]


def test_transparency_is_dropped_in_silence(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / "image.png", transparency=b"\x40\x80")
    assert read_image(tmp_path / "image.png").tolist() == [[[10, 20, 30]] * 2]


def test_labels_in_jpeg_are_refused_whatever_they_are_called(camvid: Path) -> None:
    path = camvid / "valannot" / "0001TP_000001.png"
    Image.open(path).save(path, format="JPEG")
    with pytest.raises(DataError, match=r"0001TP_000001\.png is a JPEG, .*make a PNG"):
        CamVid(str(camvid), "val")[1]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_broken_images_name_the_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"image{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    truncate(path)
    with pytest.raises(DataError, match=rf"image\{suffix} \(\d+ bytes\) can't be decoded: .*trunc"):
        read_image(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"\(0 bytes\) can't be decoded: the file is empty"):
        read_image(path)
    path.write_text("<html>not found</html>")
    with pytest.raises(DataError, match="cannot identify image file"):
        read_image(path)
    path.unlink()
    with pytest.raises(DataError, match="does not exist"):
        read_image(path)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full((36, 52), 34, np.uint8), r"ids \[34\] are not in the CamVid label table"),
        (np.zeros((36, 52, 3), np.uint8), r"has mode RGB; .* is it the colour picture"),
        (np.zeros((36, 52), np.uint16), "has mode I;16; .* convert it"),
        (np.zeros((36, 52), bool), "has mode 1; .* convert it"),
        (np.zeros((30, 40), np.uint8), r"sizes differ: image .* is 52 x 36, label .*0001TP_000001.png is 40 x 30$"),
        (np.zeros((52, 36), np.uint8), "match when turned"),
    ],
    ids=["foreign id", "colour", "16 bit", "1 bit", "size", "turned"],
)
def test_wrong_labels_name_the_file_and_what_was_found(camvid: Path, label: np.ndarray, message: str) -> None:
    path = camvid / "valannot" / "0001TP_000001.png"
    Image.fromarray(label).save(path)
    dataset = CamVid(str(camvid), "val")
    with pytest.raises(DataError, match=message) as error:
        dataset[1]
    assert str(path) in str(error.value)
