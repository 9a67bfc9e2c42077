"""Pictures: which files hold one, and their pixels or label ids, read in full and checked."""

import io
import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from segrnn.datasets.storage import File
from segrnn.errors import DataError
from segrnn.labels.space import ByteArray

MAX_PIXELS = 300_000_000
"""More than aerial pictures and scans usually have; a file of a few kilobytes can claim as many."""

HEIC_SUFFIXES = (".heic", ".heif", ".hif")
HEIC_HINT = 'pip install "segrnn[heic]" reads them'

_UNREAD = {"BUFR", "CUR", "EPS", "FITS", "FLI", "GRIB", "HDF5", "ICNS", "ICO", "IPTC", "MPEG", "PDF", "WMF"}
"""Formats of Pillow that hold no photograph, or that it gives to other programs."""

_LOSSY = {"JPEG", "MPO", "JPEG2000", "AVIF", "HEIF"}
"""Formats that may change values as they are written."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG_DEPTH = 24
"""Where a PNG file says how many bits a channel has."""
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
"""Tags of TIFF files."""
_LIMIT_LOCK = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """A picture that was decoded in full.

    Args:
        picture: as Pillow gives it.
        bits: how many the file has for each channel; Pillow may give more or fewer.
        as_written: whether Pillow gives the values of grey pixels as the file has them, or scaled or inverted.
    """

    picture: Image.Image
    bits: int
    as_written: bool


@cache
def picture_formats() -> tuple[str, ...]:
    """Return the formats that are read: those of the installed Pillow, and HEIC if pillow-heif is installed."""
    if find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _UNREAD)


@cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes, in small letters and with their dots, of the files that are read as pictures.

    Example:
        >>> {".png", ".jpg", ".jfif", ".tiff"} <= picture_suffixes(), ".pdf" in picture_suffixes()
        (True, False)
    """
    formats = picture_formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def read_image(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode an image in full as RGB, ``(H, W, 3)`` uint8; grey and paletted ones are converted, alpha is dropped.

    Args:
        file: a picture, or an array that was packed.
        max_pixels: a picture that claims to have more is refused before it is decoded.

    Raises:
        DataError: the file is missing, not an image, truncated, too large, or has one channel of more than 16 bits.
    """
    if file.suffix.lower() == ".npy":
        return _map_array(file, dimensions=3)
    return to_rgb(open_picture(file, max_pixels).picture, file)


def to_rgb(picture: Image.Image, name: object) -> ByteArray:
    """Return the pixels of an image as RGB, ``(H, W, 3)`` uint8; of 16 bits, the upper 8, as Pillow does to colours.

    Raises:
        DataError: one channel of more than 16 bits; the message has the name.
    """
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if picture.mode.startswith(("I", "F")):
        raise DataError(f"{name} has mode {picture.mode}: more than 16 bits in one channel, which is no photograph")
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def read_label(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode a published label file as the ids it holds, ``(H, W)`` uint8.

    Its form is known, one byte for each pixel: another form means another file. Palettes are not applied: their
    indices are the ids.

    Raises:
        DataError: the file is missing, not an image, a JPEG, truncated, or does not hold one byte for each pixel.
    """
    if file.suffix.lower() == ".npy":
        return _map_array(file, dimensions=2)
    decoded = open_label(file, max_pixels)
    mode = decoded.picture.mode
    if mode not in ("L", "P"):
        hint = "is it the colour picture instead of the ids?" if mode.startswith("RGB") else "convert it"
        raise DataError(f"{file} has mode {mode}; a label holds one 8-bit id for each pixel (mode L or P): {hint}")
    if mode == "L" and decoded.bits != 8:
        raise DataError(f"{file} has {decoded.bits} bits for each pixel; a label holds one 8-bit id: convert it")
    return ids_of(decoded, file)


def read_mask(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode a person's own mask as the ids it holds, ``(H, W)`` uint8.

    Grey masks may have 1, 2, 4, 8 or 16 bits and alpha that is opaque. Palettes are not applied: their indices are
    the ids.

    Raises:
        DataError: the file is missing, not an image, lossy, truncated, or does not hold one id for each pixel.
    """
    return (
        _map_array(file, dimensions=2) if file.suffix.lower() == ".npy" else ids_of(open_label(file, max_pixels), file)
    )


def ids_of(decoded: Decoded, file: File) -> ByteArray:
    """Return the ids that a mask holds, as they are written in its file.

    Raises:
        DataError: it does not hold one id below 256 for each pixel, or its values can't be told; the message has the
            mode and the bits.
    """
    picture, bits = decoded.picture, decoded.bits
    form = f"{file} has mode {picture.mode}" + (f" with {bits} bits in each channel" if bits != 8 else "")
    if picture.mode == "P":
        return np.array(picture)
    if not decoded.as_written:
        raise DataError(f"{form}, and its grey values are not stored as they are meant: write it as a PNG of ids")
    if picture.mode == "1":
        return np.array(picture).astype(np.uint8)
    if picture.mode == "L":
        return np.array(picture) // np.uint8(255 // (2**bits - 1) if bits < 8 else 1)
    if picture.mode == "LA" and bits == 8:
        grey, alpha = (np.array(band) for band in picture.split())
        if (alpha != 255).any():
            raise DataError(f"{form}, and {(alpha != 255).mean():.1%} of its pixels are transparent: give them an id")
        return grey
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture)
        if wide.max() > 255:
            raise DataError(f"{form}, and holds values up to {wide.max()}; ids are 0 to 255: number the classes anew")
        return wide.astype(np.uint8)
    hint = "is it the colour picture instead of the ids?" if picture.mode.startswith("RGB") else "convert it"
    raise DataError(f"{form}; a mask holds one id for each pixel (grey, or with a palette): {hint}")


def read_colors(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode a label that is a picture in colours, ``(H, W, 3)`` uint8; alpha is dropped.

    Raises:
        DataError: the file is missing, not an image, lossy, truncated, or has no colours.
    """
    picture = open_label(file, max_pixels).picture
    if picture.mode not in ("RGB", "RGBA", "P"):
        raise DataError(f"{file} has mode {picture.mode}; a label in colours has mode RGB: does it hold ids instead?")
    return np.asarray(picture.convert("RGB"))


def open_label(file: File, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Open and decode a picture of labels, whose format must keep values as they are.

    Raises:
        DataError: the file is missing, not an image, lossy, or truncated.
    """
    decoded = open_picture(file, max_pixels)
    name = str(decoded.picture.format)
    if name in _LOSSY:
        raise DataError(
            f"{file} is a {name}, which changes labels slightly as it is written: make a PNG from the original"
        )
    return decoded


def open_picture(file: File, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Open and decode; `Image.open` alone reads just the header and lets truncated files through.

    Raises:
        DataError: the file is missing, not an image, too large, or truncated.
    """
    content = None
    try:
        content = file.read_bytes()
        picture = _open(io.BytesIO(content))
        width, height = picture.size
        if width * height > max_pixels:
            raise DataError(
                f"{file} ({len(content)} bytes) claims to be {width} x {height}, which is {width * height} pixels and "
                f"more than max_pixels={max_pixels}: if it is what it claims, give max_pixels={width * height}"
            )
        bits, as_written = _find_depth(picture, content), _keeps_values(picture)
        picture.load()
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        if content is None:
            raise DataError(f"{file} can't be read: {error}") from error
        reason = str(error).partition(" <_io")[0] if content else "the file is empty"  # without an object's address
        if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS and "HEIF" not in picture_formats():
            reason = f"it is a HEIC picture; {HEIC_HINT}"
        raise DataError(f"{file} ({len(content)} bytes) can't be decoded: {reason}") from error
    picture.info.pop("transparency", None)  # alpha is dropped in silence
    if picture.mode == "I" and bits == 16:  # as Pillow gives grey of 16 bits from some formats
        wide, format = np.asarray(picture), picture.format
        picture = Image.fromarray(wide.astype(np.uint16))
        picture.format = format
    return Decoded(picture, bits, as_written)


def read_depth(file: File) -> int:
    """Return how many bits a picture has for each channel, from its header; 8 where it has none that can be read."""
    try:
        content = file.read_bytes()
        return _find_depth(_open(io.BytesIO(content)), content)
    except Exception:  # as above
        return 8


def is_dark(image: ByteArray) -> bool:
    """Tell whether the upper 8 of 16 bits are as empty as where a camera's 12 bits or fewer were stored in 16."""
    return bool(image.max() < 16)


def picture_format(path: Path) -> str | None:
    """Return the format of a file that is a picture, whatever it is called; None for another one."""
    try:
        with path.open("rb") as file:
            return _open(file).format
    except Exception:  # as above; what it is instead is for others to say
        return None


def _open(file: IO[bytes]) -> Image.Image:
    """Read the header of a picture. Pillow's own limit of pixels is off meanwhile: `max_pixels` takes its place."""
    formats = picture_formats()
    with _LIMIT_LOCK:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _find_depth(picture: Image.Image, content: bytes) -> int:
    """Return the bits of each channel in the file, before Pillow scales them."""
    if picture.format == "PNG":
        return content[_PNG_DEPTH]
    if picture.format == "TIFF":
        return int(max(picture.tag_v2.get(_BITS_PER_SAMPLE, (1,))))  # type: ignore[attr-defined]
    if picture.mode == "1":
        return 1
    return 16 if picture.mode.startswith("I;16") or (picture.format, picture.mode) == ("PPM", "I") else 8


def _keeps_values(picture: Image.Image) -> bool:
    """Tell whether Pillow gives grey as it is written: not so where white is 0, or where it scales to its own range."""
    if picture.format == "TIFF":
        return picture.tag_v2.get(_PHOTOMETRIC) != 0  # type: ignore[attr-defined]
    if picture.format == "PPM":
        return picture.mode == "L" and picture.tile[0][0] == "raw"  # type: ignore[attr-defined]
    return True


def _map_array(file: File, dimensions: int) -> ByteArray:
    """An array of bytes that stays on disk until its parts are used."""
    try:
        if not isinstance(file, Path):
            raise ValueError("packed images are read from a folder, not from an archive")
        array = np.lib.format.open_memmap(file, mode="r")
        if array.dtype != np.uint8 or array.ndim != dimensions or (array.shape[2:] or (3,)) != (3,) or not array.size:
            wanted = "(H, W, 3)" if dimensions == 3 else "(H, W)"
            raise ValueError(f"it holds {array.dtype} of shape {array.shape} instead of uint8 {wanted}")
        return np.asarray(array)
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except Exception as error:  # damaged headers raise ValueError, TypeError, OverflowError, TokenError, ...
        raise DataError(f"{file} is no packed image or mask: {error}") from error
