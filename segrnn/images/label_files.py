"""Reading labels and masks: files whose pixels are ids or colours of classes."""

import numpy as np

from segrnn.errors import DataError
from segrnn.images.reading import MAX_PIXELS, Decoded, map_array, open_picture
from segrnn.images.storage import File
from segrnn.labels.space import ByteArray

_LOSSY = {"JPEG", "MPO", "JPEG2000", "AVIF", "HEIF"}
"""Formats that may change the values of pixels when a file is written."""


def read_label(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode the ids in a published label file, ``(H, W)`` uint8.

    Published labels have one byte for each pixel. A file of another form is a wrong file. Palettes are not applied:
    their indices are the ids.

    Raises:
        DataError: the file is missing, not an image, a JPEG, truncated, or does not hold one byte for each pixel.
    """
    if file.suffix.lower() == ".npy":
        return map_array(file, dimensions=2)
    decoded = open_label(file, max_pixels)
    mode = decoded.picture.mode
    if mode not in ("L", "P"):
        hint = "is it the colour picture instead of the ids?" if mode.startswith("RGB") else "convert it"
        raise DataError(f"{file} has mode {mode}; a label holds one 8-bit id for each pixel (mode L or P): {hint}")
    if mode == "L" and decoded.bits != 8:
        raise DataError(f"{file} has {decoded.bits} bits for each pixel; a label holds one 8-bit id: convert it")
    return ids_of(decoded, file)


def read_mask(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode the ids in a user's own mask, ``(H, W)`` uint8.

    Grey masks may have 1, 2, 4, 8 or 16 bits, and opaque alpha. They may also be stored as colours whose three channels
    are equal. Palettes are not applied: their indices are the ids.

    Raises:
        DataError: the file is missing, not an image, lossy, truncated, or does not hold one id for each pixel.
    """
    return (
        map_array(file, dimensions=2) if file.suffix.lower() == ".npy" else ids_of(open_label(file, max_pixels), file)
    )


def ids_of(decoded: Decoded, file: File) -> ByteArray:
    """Return the ids ``(H, W)`` that a mask holds, as they are written in its file.

    Raises:
        DataError: the mask does not hold one id below 256 for each pixel, or its stored values are not known. The
            message has the mode and the bits.
    """
    picture, bits = decoded.picture, decoded.bits
    form = f"{file} has mode {picture.mode}" + (f" with {bits} bits in each channel" if bits != 8 else "")
    if picture.mode == "P":
        return np.array(picture)
    if not decoded.as_written:
        raise DataError(f"{form}, and its stored grey values are not the ids: write the mask as a PNG of ids")
    if picture.mode == "1":
        return np.array(picture).astype(np.uint8)
    if picture.mode == "L":
        return np.array(picture) // np.uint8(255 // (2**bits - 1) if bits < 8 else 1)
    if picture.mode in ("LA", "RGB", "RGBA") and bits == 8:
        bands = np.array(picture)
        channels = bands[..., : 1 if picture.mode == "LA" else 3]
        if (channels == channels[..., :1]).all():
            if picture.mode != "RGB":
                _require_opaque(bands[..., -1], form, "an id")
            return channels[..., 0].copy()
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture)
        if wide.max() > 255:
            raise DataError(
                f"{form}, and holds values up to {wide.max()}; ids must be from 0 to 255: renumber the classes"
            )
        return wide.astype(np.uint8)
    hint = "is it the colour picture instead of the ids?" if picture.mode.startswith("RGB") else "convert it"
    raise DataError(f"{form}; a mask holds one id for each pixel (grey, or with a palette): {hint}")


def _require_opaque(alpha: ByteArray, form: str, missing: str) -> None:
    if (alpha != 255).any():
        share = (alpha != 255).mean()
        raise DataError(f"{form}, and {share:.1%} of its pixels are transparent: give them {missing}, without alpha")


def read_colors(file: File, max_pixels: int = MAX_PIXELS) -> ByteArray:
    """Decode a label that is a picture in colours, ``(H, W, 3)`` uint8. It may have opaque alpha.

    Raises:
        DataError: the file is missing, not an image, lossy, truncated, or has no colours or transparent pixels.
    """
    picture = open_label(file, max_pixels).picture
    if picture.mode not in ("RGB", "RGBA", "P"):
        raise DataError(f"{file} has mode {picture.mode}; a label in colours has mode RGB: does it hold ids instead?")
    if picture.mode == "RGBA":
        _require_opaque(np.asarray(picture)[..., 3], f"{file} has mode RGBA", "a colour")
    return np.asarray(picture.convert("RGB"))


def open_label(file: File, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Open and decode a picture of labels. Its format must not change values.

    Raises:
        DataError: the file is missing, not an image, lossy, or truncated.
    """
    decoded = open_picture(file, max_pixels)
    name = str(decoded.picture.format)
    if name in _LOSSY:
        raise DataError(f"{file} is a {name}, a format that changes labels slightly: make a PNG from the original")
    return decoded
