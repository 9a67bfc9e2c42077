"""Checking a dataset's files, each decoded in full."""

from dataclasses import dataclass

import numpy as np

from segrnn.dataset_tools.near_duplicates import Fingerprint, fingerprint
from segrnn.dataset_tools.occurrence import Held, look
from segrnn.datasets.files import SegmentationDataset
from segrnn.errors import DataError
from segrnn.images.bands import ImageArray
from segrnn.images.reading import is_dark, open_picture, read_header
from segrnn.images.storage import File
from segrnn.labels import IGNORE_INDEX


@dataclass(frozen=True)
class Examined:
    """What a pair of image and label is like.

    Args:
        problems: its problems, one text each, which begins with the file.
        held: the contents of its label; None after a problem, because the label may be unreadable.
        fingerprint: the image's fingerprint; None after a problem.
    """

    problems: list[str]
    held: Held | None = None
    fingerprint: Fingerprint | None = None


def examine(dataset: SegmentationDataset, index: int) -> Examined:
    """Decode a pair of image and label in full, and say what it is like. This is a task for `for_each`."""
    pair = dataset.pairs[index]
    problems = []
    image = ids = None
    try:
        image = dataset.read_pixels(pair.image)
        problems += _find_depth(pair.image, image)
    except DataError as error:
        problems.append(str(error))
    try:
        ids = dataset.read_ids(pair.label)
        problems += [] if dataset.paletted else _find_palette(pair.label, dataset.max_pixels)
    except DataError as error:
        problems.append(str(error))
    if image is not None and ids is not None:
        try:
            image, mask, _ = dataset.sample(pair, image, ids)
            if (mask == IGNORE_INDEX).all():
                problems.append(f"{pair.label}: all pixels are void")
        except DataError as error:
            problems.append(str(error))
    if problems or image is None:
        return Examined(problems)
    return Examined([], look(dataset, index), fingerprint(pair.name, image))


def _find_depth(file: File, image: ImageArray) -> list[str]:
    """Report 16-bit images: Pillow reads only the upper half of 16-bit colours, and does not say so."""
    if file.suffix.lower() == ".npy" or image.dtype != np.uint8 or read_header(file).bits <= 8:
        return []
    dark = f", and the largest value of these is {image.max()}: scale the image to 8 bits" if is_dark(image) else ""
    return [f"{file} has 16 bits in each channel; only 8 of them are read{dark}"]


def _find_palette(file: File, max_pixels: int) -> list[str]:
    """Report a palette: published labels have none, so somebody has written the file again, and maybe changed ids."""
    if file.suffix.lower() == ".npy" or open_picture(file, max_pixels).picture.mode != "P":
        return []
    return [f"{file} has a palette; its indices are read as ids, which the published labels hold without one"]
