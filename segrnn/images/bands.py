"""Images of any number of channels and of any depth."""

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segrnn.errors import DataError
from segrnn.images.geotiff import TIFF_SUFFIXES, read_tiff
from segrnn.images.reading import MAX_PIXELS, check_pixels, open_picture, read_image, read_photo
from segrnn.images.storage import File

BYTE = 255
"""The value that counts as 1 in images of 8 bits."""

ImageArray = npt.NDArray[np.uint8 | np.float32]
"""The pixels ``(H, W, C)`` of an image: bytes, or float32 for any other depth. float32 holds 16 bits exactly."""

_DEPTHS = {np.dtype(np.uint8): BYTE, np.dtype(np.uint16): 65535}
"""The value that counts as 1, by the type of whole numbers in a file."""


@dataclass(frozen=True)
class Bands:
    """What the pixels of all images of a dataset are.

    Args:
        channels: C, the number of channels of a file.
        white: the value that counts as 1: 255 for files of 8 bits, 65535 for 16 bits, and usually 1 for floats.

    Example:
        >>> Bands().are_rgb, Bands(channels=4, white=65535).are_rgb
        (True, False)
    """

    channels: int = 3
    white: float = BYTE

    @property
    def are_rgb(self) -> bool:
        """Return whether any photo fits: grey becomes RGB, alpha is dropped, and of 16 bits the upper 8 are kept."""
        return self.channels == 3 and self.white == BYTE

    def require(self, pixels: npt.NDArray[np.generic], name: object) -> ImageArray:
        """Return the pixels ``(H, W, C)`` of a file as bytes or float32.

        Args:
            pixels: ``(H, W, C)``, or ``(H, W)`` for one channel, as the file holds them.
            name: the name of the file, for messages.

        Raises:
            DataError: the pixels have other channels or another depth, or hold values that are not finite.
        """
        whole = pixels[..., None] if pixels.ndim == 2 else pixels
        if whole.ndim != 3 or not whole.size or whole.shape[2] != self.channels:
            found = f"{whole.shape[2]} bands" if whole.ndim == 3 else f"the shape {whole.shape}"
            raise DataError(f"{name} has {found}, but data.channels={self.channels}: all images need the same bands")
        depth = _DEPTHS.get(whole.dtype)
        if (depth is not None and depth != self.white) or (depth is None and self.white == BYTE):
            wanted = f"set data.white={depth}" if depth is not None else "set it to the value that counts as 1"
            raise DataError(f"{name} holds {whole.dtype} values, but data.white={self.white:g}: {wanted}")
        if whole.dtype.kind not in "uif":
            raise DataError(f"{name} holds {whole.dtype} values: an image holds whole numbers or floats")
        if depth == BYTE:
            return whole.astype(np.uint8, copy=False)
        values = whole.astype(np.float32)
        if not np.isfinite(values).all():
            raise DataError(f"{name} holds values that are not finite: replace them, for example by 0")
        return values


RGB = Bands()
"""Photos: red, green and blue of 8 bits."""


def read_bands(file: File, bands: Bands, max_pixels: int = MAX_PIXELS) -> ImageArray:
    """Read an image in full, ``(H, W, C)``. Nothing is dropped, unless `bands` are those of any photo.

    TIFF files and NumPy arrays have any number of bands. Other pictures have 1 to 4.

    Args:
        file: a picture, or an array ``.npy`` of the shape ``(H, W, C)`` or ``(H, W)``.
        bands: the channels and the depth that the file must have.
        max_pixels: the most pixels of a picture.

    Raises:
        DataError: the file is missing, damaged or too large, or has other channels or another depth.
    """
    if bands.are_rgb:
        return read_image(file, max_pixels)
    if file.suffix.lower() == ".npy":
        return bands.require(_load_array(file, max_pixels), file)
    if file.suffix.lower() in TIFF_SUFFIXES:
        return bands.require(read_tiff(file, max_pixels), file)
    decoded = open_picture(file, max_pixels)
    if decoded.bits > 8:
        return bands.require(_decode_deep(file), file)
    picture = decoded.picture.convert("RGB") if decoded.picture.mode in ("P", "CMYK", "YCbCr") else decoded.picture
    return bands.require(np.asarray(picture), file)


def read_upright(file: File, bands: Bands, max_pixels: int = MAX_PIXELS) -> tuple[ImageArray, bool]:
    """Read an image as `read_bands` does, and turn a photo as its EXIF tag says.

    Returns:
        The pixels as people see them, and whether they are stored in another way.

    Raises:
        DataError: the file is missing, damaged or too large, or has other channels or another depth.
    """
    return read_photo(file, max_pixels) if bands.are_rgb else (read_bands(file, bands, max_pixels), False)


def as_photo(image: ImageArray) -> npt.NDArray[np.uint8]:
    """Return a picture ``(H, W, 3)`` that people can look at: the first three bands, or else the first one in grey.

    Bytes keep their values. Other values are stretched, so that 2 % of each band are black and 2 % are white.

    Example:
        >>> as_photo(np.arange(50, dtype=np.float32).reshape(5, 10, 1)).shape
        (5, 10, 3)
    """
    shown = image[..., :3] if image.shape[2] >= 3 else image[..., [0, 0, 0]]
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    low, high = np.percentile(shown, (2, 98), axis=(0, 1))
    stretched = (shown - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return (BYTE * stretched.clip(0, 1)).round().astype(np.uint8)


def _decode_deep(file: File) -> npt.NDArray[np.generic]:
    """Decode a picture with more than 8 bits in a channel. Pillow would keep 8 bits of each colour."""
    pixels = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DataError(f"{file} can't be decoded with more than 8 bits: write it as PNG or TIFF")
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _load_array(file: File, max_pixels: int) -> npt.NDArray[np.generic]:
    try:
        array = np.load(file if isinstance(file, Path) else io.BytesIO(file.read_bytes()), allow_pickle=False)
        assert isinstance(array, np.ndarray)
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except Exception as error:  # damaged headers raise ValueError, TypeError, OverflowError, TokenError, ...
        raise DataError(f"{file} is not a NumPy array: {error}") from error
    check_pixels(file, array.shape[1] if array.ndim > 1 else 1, array.shape[0] if array.ndim else 1, max_pixels)
    return array
