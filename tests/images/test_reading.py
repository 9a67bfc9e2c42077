import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.errors import DataError
from segrnn.images import read_image, read_label, reading
from segrnn.images.label_files import read_mask
from segrnn.images.reading import picture_suffixes


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


def write_png(path: Path, rows: list[bytes], width: int, depth: int, kind: int, palette: bytes = b"") -> Path:
    """A PNG by hand, as Pillow does not write all depths."""
    head = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    parts = [(b"IHDR", head), *([(b"PLTE", palette)] if palette else [])]
    parts += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


GREY, INDEXED, GREY_ALPHA = 0, 3, 4
COLORS = bytes(range(48))


@pytest.mark.parametrize(
    ("row", "width", "depth", "kind", "ids"),
    [
        (b"\x50", 4, 1, GREY, [0, 1, 0, 1]),
        (b"\x1b", 4, 2, GREY, [0, 1, 2, 3]),
        (b"\x0f\x27", 4, 4, GREY, [0, 15, 2, 7]),
        (b"\x00\x07\xff", 3, 8, GREY, [0, 7, 255]),
        (b"\x00\x00\x00\xff\x00\x07", 3, 16, GREY, [0, 255, 7]),
        (b"\x50", 4, 1, INDEXED, [0, 1, 0, 1]),
        (b"\x1b", 4, 2, INDEXED, [0, 1, 2, 3]),
        (b"\x0f\x27", 4, 4, INDEXED, [0, 15, 2, 7]),
        (b"\x03\xff\x09\xff", 2, 8, GREY_ALPHA, [3, 9]),
    ],
)
def test_masks_of_any_depth_hold_what_is_written(
    row: bytes, width: int, depth: int, kind: int, ids: list[int], tmp_path: Path
) -> None:
    path = write_png(tmp_path / "mask.png", [row], width, depth, kind, COLORS if kind == INDEXED else b"")
    assert read_mask(path).tolist() == [ids]


def test_masks_in_tiff_of_few_bits_hold_what_is_written(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 1, 0]], bool)).save(tmp_path / "mask.tif")
    assert read_mask(tmp_path / "mask.tif").tolist() == [[0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("row", "width", "depth", "kind", "message"),
    [
        (b"\x00\x07\x01\x00", 2, 16, GREY, r"mode I;16 with 16 bits in each channel, and holds values up to 256"),
        (b"\x03\xff\x09\x00", 2, 8, GREY_ALPHA, r"mode LA, and 50\.0% of its pixels are transparent"),
        (b"\x00\x03\xff\xff", 1, 16, GREY_ALPHA, r"mode RGBA with 16 bits in each channel; a mask holds one id"),
    ],
)
def test_masks_that_are_not_clear_name_mode_and_bits(
    row: bytes, width: int, depth: int, kind: int, message: str, tmp_path: Path
) -> None:
    path = write_png(tmp_path / "mask.png", [row], width, depth, kind)
    with pytest.raises(DataError, match=rf"mask\.png has {message}"):
        read_mask(path)


@pytest.mark.parametrize("content", [b"P1\n2 1\n0 1\n", b"P5\n2 1\n18\n\0\x12", b"P2\n2 1\n18\n0 18\n"])
def test_masks_whose_grey_pillow_changes_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mask.pgm").write_bytes(content)
    with pytest.raises(DataError, match=r"its stored grey values are not the ids: write the mask as a PNG of ids"):
        read_mask(tmp_path / "mask.pgm")
    (tmp_path / "mask.pgm").write_bytes(b"P5\n2 1\n255\n\0\x12")
    assert read_mask(tmp_path / "mask.pgm").tolist() == [[0, 18]]


@pytest.mark.parametrize(("format", "name"), [("JPEG", "JPEG"), ("AVIF", "AVIF"), ("JPEG2000", "JPEG2000")])
def test_lossy_masks_are_refused(format: str, name: str, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "mask.png", format)
    with pytest.raises(DataError, match=rf"mask\.png is a {name}, a format that changes labels slightly"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("suffix", [".avif", ".JP2", ".gif", ".ppm", ".jfif", ".TGA", ".heic"])
def test_formats_of_pillow_are_read(suffix: str, tmp_path: Path) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
    assert suffix.lower() in picture_suffixes()
    Image.new("RGB", (16, 12), (200, 40, 90)).save(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}")
    assert image.shape == (12, 16, 3)
    assert abs(image.mean(axis=(0, 1)) - [200, 40, 90]).max() < 12


def test_grey_of_16_bits_is_read_from_any_format(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n2 1\n65535\n\x12\x34\xff\x00")
    assert read_image(tmp_path / "a.pgm")[0, :, 0].tolist() == [0x12, 0xFF]


def test_a_heic_without_its_reader_says_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "picture_formats", lambda: ("JPEG", "PNG"))
    (tmp_path / "photo.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(DataError, match=r'it is a HEIC picture; pip install "segrnn\[heic\]" reads them'):
        read_image(tmp_path / "photo.jpg")


def test_a_picture_that_claims_too_much_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_png(tmp_path / "claims.png", [b"\0"], 100_000, 1, GREY)
    with pytest.raises(
        DataError, match=r"claims to be 100000 x 1, which is 100000 pixels and more than max_pixels=99999"
    ):
        read_image(path, max_pixels=99_999)
    assert Image.MAX_IMAGE_PIXELS, "Pillow's own limit stays for others"
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = path.read_bytes()
    path.write_bytes(content[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + content[33:])
    with pytest.raises(DataError, match="3600000000 pixels and more than max_pixels=300000000: if this size is right"):
        read_image(path)


def test_more_pixels_than_pillow_allows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("RGB", (9, 8)).save(tmp_path / "large.png")
    assert read_image(tmp_path / "large.png").shape == (8, 9, 3)
