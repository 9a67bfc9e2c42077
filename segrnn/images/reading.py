"""Reading pictures: their formats and their pixels, read in full and checked."""

import io
import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from segrnn.errors import DataError
from segrnn.images.storage import File
from segrnn.images.turning import UPRIGHT, orientation_of, turn
from segrnn.labels.space import ByteArray

MAX_PIXELS = 300_000_000
"""The most pixels of a picture by default.

Aerial pictures and scans usually have fewer. Even a file of a few kilobytes can claim to have more.
"""

HEIC_SUFFIXES = (".heic", ".heif", ".hif")
HEIC_HINT = 'pip install "segrnn[heic]" reads them'

_UNREAD = {"BUFR", "CUR", "EPS", "FITS", "FLI", "GRIB", "HDF5", "ICNS", "ICO", "IPTC", "MPEG", "PDF", "WMF"}
"""Formats of Pillow that are not read: they hold no photographs, or Pillow passes them to other programs."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG_DEPTH = 24
"""The place of the byte in a PNG file that gives the number of bits of a channel."""
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLES_PER_PIXEL = 258, 262, 277
"""The numbers of three tags of TIFF files."""
_TIFF_BEGINNINGS = (b"II*\0", b"MM\0*")
_MANY_BANDS = "Images of other bands or depths than photos need data.channels=<bands> and data.white=<value of 1>"
_LIMIT_LOCK = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """A picture that was decoded in full.

    Args:
        picture: the picture that Pillow has decoded.
        bits: the number of bits of each channel in the file. The decoded picture may have more or fewer.
        as_written: whether grey pixels have the values of the file. If not, Pillow has scaled or inverted them.
    """

    picture: Image.Image
    bits: int
    as_written: bool


@cache
def picture_formats() -> tuple[str, ...]:
    """Return the formats that are read: most of the installed Pillow, and HEIC if pillow-heif is installed."""
    if find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _UNREAD)


@cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes of files that are read as pictures, in small letters and with their dots.

    Example:
        >>> {".png", ".jpg", ".jfif", ".tiff"} <= picture_suffixes(), ".pdf" in picture_suffixes()
        (True, False)
    """
    formats = picture_formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def read_image(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode an image in full as RGB, ``(H, W, 3)`` uint8. Grey and paletted images are converted, alpha is dropped.

    Args:
        file: a picture, or a packed array.
        max_pixels: the most pixels of a picture. One that claims to have more is refused before it is decoded.

    Raises:
        DataError: the file is missing, not an image, truncated, too large, or has one channel of more than 16 bits.
    """
    if file.suffix.lower() == ".npy":
        return map_array(file, dimensions=3)
    return to_rgb(_open_photo(file, max_pixels), file)


def _open_photo(file: File, max_pixels: int) -> Image.Image:
    """Open a picture of which no band would be dropped, unless that is alpha. A TIFF file may hold anything there."""
    picture = open_picture(file, max_pixels).picture
    if picture.format != "TIFF":
        return picture
    bands = picture.tag_v2.get(_SAMPLES_PER_PIXEL, 1)  # type: ignore[attr-defined]
    shown = len(picture.getbands())
    if bands > shown or (picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)):
        raise DataError(f"{file} has {bands} bands, of which a photo would show {min(shown, 3)}. {_MANY_BANDS}")
    return picture


def read_photo(file: File, max_pixels: int = MAX_PIXELS) -> tuple[ByteArray, bool]:
    """Decode an image as `read_image` does, ``(H, W, 3)`` uint8, and turn it as its EXIF tag says.

    Returns:
        The pixels as people see them, and whether they are stored in another way.

    Raises:
        DataError: the file is missing, not an image, truncated, too large, or has one channel of more than 16 bits.
    """
    if file.suffix.lower() == ".npy":
        return read_image(file), False
    picture = _open_photo(file, max_pixels)
    orientation = orientation_of(picture)
    return turn(to_rgb(picture, file), orientation), orientation != UPRIGHT


def to_rgb(picture: Image.Image, name: object) -> ByteArray:
    """Return the pixels of an image as RGB, ``(H, W, 3)`` uint8.

    Of 16-bit grey, the upper 8 bits are kept. Pillow does the same with 16-bit colours.

    Args:
        picture: the decoded image.
        name: the image's name, for the message.

    Raises:
        DataError: a channel has more than 16 bits.
    """
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if picture.mode.startswith(("I", "F")):
        raise DataError(
            f"{name} has mode {picture.mode}: it has more than 16 bits in one channel, so it is not a photograph"
        )
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def open_picture(file: File, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Open a picture and decode it in full. `Image.open` alone reads just the header, and accepts truncated files.

    Raises:
        DataError: the file is missing, not an image, too large, or truncated.
    """
    content = None
    try:
        content = file.read_bytes()
        picture = _open(io.BytesIO(content))
        check_pixels(f"{file} ({len(content)} bytes)", *picture.size, max_pixels)
        bits, as_written = _find_depth(picture, content), _keeps_values(picture)
        picture.load()
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        if content is None:
            raise DataError(f"{file} can't be read: {error}") from error
        reason = str(error).partition(" <_io")[0] if content else "the file is empty"  # cut off an object's address
        if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS and "HEIF" not in picture_formats():
            reason = f"it is a HEIC picture; {HEIC_HINT}"
        if content[:4] in _TIFF_BEGINNINGS:
            reason += f". {_MANY_BANDS}"
        raise DataError(f"{file} ({len(content)} bytes) can't be decoded: {reason}") from error
    picture.info.pop("transparency", None)  # so that alpha is dropped without a warning
    if picture.mode == "I" and bits == 16:  # some formats give grey of 16 bits in this mode
        wide, format = np.asarray(picture), picture.format
        picture = Image.fromarray(wide.astype(np.uint16))
        picture.format = format
    return Decoded(picture, bits, as_written)


def check_pixels(name: object, width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture that claims to have too many pixels.

    Raises:
        DataError: it has more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise DataError(
            f"{name} claims to be {width} x {height}, which is {width * height} pixels and more than "
            f"max_pixels={max_pixels}: if this size is right, set max_pixels={width * height}"
        )


def read_size(file: File) -> tuple[int, int]:
    """Return a picture's height and width from its header.

    Raises:
        DataError: the file can't be read, or is not a picture.
    """
    try:
        width, height = _open(io.BytesIO(file.read_bytes())).size
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds, as above
        reason = str(error).partition(" <_io")[0]
        raise DataError(f"{file} can't be read as a picture: {reason}") from error
    return height, width


@dataclass(frozen=True)
class Header:
    """What the header of a picture's file says.

    Args:
        size: height and width.
        bits: the number of bits of each channel.
        orientation: the orientation that an EXIF tag names, 1 to 8. Without a tag, it is 1.
    """

    size: tuple[int, int] = (0, 0)
    bits: int = 8
    orientation: int = UPRIGHT


def read_header(file: File) -> Header:
    """Return what a picture's header says. If it can't be read, the size is 0 x 0 and the rest is what is usual."""
    try:
        content = file.read_bytes()
        picture = _open(io.BytesIO(content))
        return Header(picture.size[::-1], _find_depth(picture, content), orientation_of(picture))
    except Exception:  # Pillow raises many kinds, as above
        return Header()


def is_dark(image: npt.NDArray[np.generic]) -> bool:
    """Tell whether the upper 8 of 16 bits are nearly empty, as in a camera's picture of 12 bits or fewer stored in 16.

    Args:
        image: the upper 8 bits, ``(H, W, 3)``.
    """
    return bool(image.dtype == np.uint8 and image.max() < 16)


def picture_format(path: Path) -> str | None:
    """Return the format of a picture file with any name, or None if the file is not a picture."""
    try:
        with path.open("rb") as file:
            return _open(file).format
    except Exception:  # Pillow raises many kinds, as above; the caller finds out what the file is instead
        return None


def _open(file: IO[bytes]) -> Image.Image:
    """Read the header of a picture. Pillow's own limit of pixels is off meanwhile, because `max_pixels` replaces it."""
    formats = picture_formats()
    with _LIMIT_LOCK:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _find_depth(picture: Image.Image, content: bytes) -> int:
    """Return the number of bits of each channel in the file, before Pillow scales values."""
    if picture.format == "PNG":
        return content[_PNG_DEPTH]
    if picture.format == "TIFF":
        return int(max(picture.tag_v2.get(_BITS_PER_SAMPLE, (1,))))  # type: ignore[attr-defined]
    if picture.mode == "1":
        return 1
    return 16 if picture.mode.startswith("I;16") or (picture.format, picture.mode) == ("PPM", "I") else 8


def _keeps_values(picture: Image.Image) -> bool:
    """Tell whether Pillow gives grey values as they are written in the file.

    It does not if the file stores white as 0, or if Pillow scales values to its own range.
    """
    if picture.format == "TIFF":
        return picture.tag_v2.get(_PHOTOMETRIC) != 0  # type: ignore[attr-defined]
    if picture.format == "PPM":
        return picture.mode == "L" and picture.tile[0][0] == "raw"  # type: ignore[attr-defined]
    return True


def map_array(file: File, dimensions: int) -> ByteArray:
    """Open a packed array of bytes. It stays on disk until its parts are used."""
    try:
        if not isinstance(file, Path):
            raise ValueError("packed images can only be read from a folder of this machine: extract or download them")
        array = np.lib.format.open_memmap(file, mode="r")
        if array.dtype != np.uint8 or array.ndim != dimensions or (array.shape[2:] or (3,)) != (3,) or not array.size:
            wanted = "(H, W, 3)" if dimensions == 3 else "(H, W)"
            raise ValueError(f"it holds {array.dtype} of shape {array.shape} instead of uint8 {wanted}")
        return np.asarray(array)
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except Exception as error:  # damaged headers raise ValueError, TypeError, OverflowError, TokenError, ...
        raise DataError(f"{file} is not a packed image or mask: {error}") from error
