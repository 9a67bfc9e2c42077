"""Image and label files, read in full and checked."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from segrnn.errors import DataError
from segrnn.labels import ForeignIdError, LabelSpace
from segrnn.labels.space import ByteArray

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Sample(NamedTuple):
    """An image ``(H, W, 3)`` uint8, its mask of train ids ``(H, W)`` uint8, and the name that tells them apart."""

    image: ByteArray
    mask: ByteArray
    name: str


class FilePair(NamedTuple):
    """Where an image and its label lie, and the sample's name: relative, without a suffix."""

    image: Path
    label: Path
    name: str


class SegmentationFiles(Dataset[Sample]):
    """Images with label files of ids, mapped once to train ids.

    Args:
        pairs: the files.
        labels: the table that maps ids to train ids.

    Raises:
        DataError: on reading, where a file is missing, truncated, of the wrong kind or size, or holds foreign ids.
    """

    def __init__(self, pairs: Sequence[FilePair], labels: LabelSpace) -> None:
        self.pairs = list(pairs)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        image = read_image(pair.image)
        ids = read_label(pair.label)
        if image.shape[:2] != ids.shape:
            turned = " (they match when turned: was one of them rotated by its EXIF tag?)"
            raise DataError(
                f"sizes differ: image {pair.image} is {_size(image)}, label {pair.label} is {_size(ids)}"
                + (turned if image.shape[1::-1] == ids.shape else "")
            )
        try:
            return Sample(image, self.labels.encode(ids), pair.name)
        except ForeignIdError as error:
            raise DataError(f"{pair.label}: {error}; {self.explain_foreign(error)}") from error

    def explain_foreign(self, error: ForeignIdError) -> str:
        """What a label with foreign ids probably is; datasets know their own usual mix-ups."""
        return f"the table has {sorted(label.id for label in self.labels.labels)}"


def read_image(path: Path) -> ByteArray:
    """Decode an image in full as RGB, ``(H, W, 3)`` uint8; grey and paletted ones are converted, alpha is dropped.

    Raises:
        DataError: the file is missing, not an image, or truncated.
    """
    return np.asarray(_open(path).convert("RGB"))


def read_label(path: Path) -> ByteArray:
    """Decode a label file as the ids it holds, ``(H, W)`` uint8. Palettes are not applied: their indices are the ids.

    Raises:
        DataError: the file is missing, not an image, truncated, or does not hold one byte for each pixel.
    """
    picture = _open(path)
    if picture.mode not in ("L", "P"):
        hint = "is it the colour picture instead of the ids?" if picture.mode.startswith("RGB") else "convert it"
        raise DataError(
            f"{path} has mode {picture.mode}; a label holds one 8-bit id for each pixel (mode L or P): {hint}"
        )
    return np.array(picture)


def _open(path: Path) -> Image.Image:
    """Open and decode; `Image.open` alone reads just the header and lets truncated files through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                picture.load()
                return picture
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        size = path.stat().st_size if path.is_file() else 0
        reason = "the file is empty" if path.is_file() and not size else str(error)
        raise DataError(f"{path} ({size} bytes) can't be decoded: {reason}") from error


def _size(array: ByteArray) -> str:
    """A size as people say it, width first."""
    return f"{array.shape[1]} x {array.shape[0]}"


def require_folder(folder: Path, root: Path, tree: str) -> None:
    """Complain about a dataset that is not where it should be.

    Raises:
        DataError: with the tree that is expected and the override that says where the data is.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} does not exist. The dataset's root {root} should hold\n\n{tree}\n\n"
            "Say where it is with data.root=<folder>"
        )
