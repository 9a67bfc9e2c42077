"""Mask files: what they hold, and writing them so that none is ever half there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from segrnn.errors import OutputError
from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray

Render = Callable[[ByteArray, ByteArray, LabelSpace], ByteArray]
"""Makes a file's pixels from a mask of train ids ``(H, W)``, its image ``(H, W, 3)`` and the label table."""


def label_ids(mask: ByteArray, image: ByteArray, labels: LabelSpace) -> ByteArray:
    """The ids of the dataset's own label files: what official evaluators want."""
    return labels.decode(mask)


def train_ids(mask: ByteArray, image: ByteArray, labels: LabelSpace) -> ByteArray:
    """The classes as the network numbers them, from 0."""
    return mask


def color(mask: ByteArray, image: ByteArray, labels: LabelSpace) -> ByteArray:
    """The dataset's palette."""
    return labels.colorize(mask)


def overlay(mask: ByteArray, image: ByteArray, labels: LabelSpace) -> ByteArray:
    """The palette over the image, half and half."""
    return ((image.astype(np.uint16) + labels.colorize(mask)) // 2).astype(np.uint8)


FORMATS: dict[str, Render] = {f.__name__: f for f in (label_ids, train_ids, color, overlay)}


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: readers see the whole file or none.

    Raises:
        OutputError: the folder can't be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}") from error


def write_png(path: Path, pixels: ByteArray) -> None:
    """Write ``(H, W)`` or ``(H, W, 3)`` bytes as a PNG, atomically."""
    write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, format="PNG"))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
