"""The pictures and files that can be written for an image."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segrnn.atomic import write_atomically
from segrnn.images.bands import ImageArray, as_photo
from segrnn.images.storage import File
from segrnn.inference.predictor import Predictor
from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray

Render = Callable[[Predictor, ImageArray], ByteArray]
"""A function that makes the pixels ``(H, W)`` or ``(H, W, 3)`` of a picture for an image ``(H, W, C)``."""


def label_ids(predictor: Predictor, image: ImageArray) -> ByteArray:
    """Return the mask as the ids of the dataset's own label files, which official evaluators expect."""
    return predictor.info.labels.decode(train_ids(predictor, image))


def train_ids(predictor: Predictor, image: ImageArray) -> ByteArray:
    """Return the mask as the network numbers the classes, from 0."""
    return predictor.mask(image).cpu().numpy()


def color(predictor: Predictor, image: ImageArray) -> ByteArray:
    """Return the mask in the colours of the dataset's palette."""
    return predictor.info.labels.colorize(train_ids(predictor, image))


def overlay(predictor: Predictor, image: ImageArray) -> ByteArray:
    """Return the average of the image and the mask in the colours of the dataset's palette."""
    return ((as_photo(image).astype(np.uint16) + color(predictor, image)) // 2).astype(np.uint8)


def uncertainty(predictor: Predictor, image: ImageArray) -> ByteArray:
    """Return the entropy of the probabilities: black where the network is sure, white where it has no idea."""
    return (255 * predictor.uncertainty(image)).round().byte().cpu().numpy()


PICTURES: dict[str, Render] = {f.__name__: f for f in (label_ids, train_ids, color, overlay, uncertainty)}


def _accept(labels: LabelSpace) -> None:
    """Accept any label table."""


@dataclass(frozen=True)
class Format:
    """A way to write the result for an image.

    Args:
        suffix: the suffix of the file.
        write: the function that writes the file, atomically. It also gets the image's file, or the
            file of the video that a frame is from.
        remarks: returns remarks about all files that were written, each with how often it applies.
        check: raises an error for label tables that the format can't be written for.
    """

    suffix: str
    write: Callable[[Path, Predictor, ImageArray, File], None]
    remarks: Callable[[], Counter[str]] = Counter
    check: Callable[[LabelSpace], None] = _accept


def write_probabilities(path: Path, predictor: Predictor, image: ImageArray, source: File) -> None:
    """Write all probabilities as a NumPy file ``(K, H, W)`` of float16, part by part."""
    shape = (predictor.info.labels.num_classes, *image.shape[:2])

    def write(temporary: Path) -> None:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        for part in predictor.probabilities(image):
            classes, rows, _ = part.values.shape
            place = np.s_[part.first_class : part.first_class + classes, part.first_row : part.first_row + rows]
            array[place] = part.values.cpu().numpy()
        array.flush()

    write_atomically(path, write)


def _picture(render: Render) -> Format:
    return Format(".png", lambda path, predictor, image, _: write_png(path, render(predictor, image)))


FORMATS = {
    **{name: _picture(render) for name, render in PICTURES.items()},
    "probabilities": Format(".npy", write_probabilities),
}


def write_png(path: Path, pixels: ByteArray) -> None:
    """Write ``(H, W)`` or ``(H, W, 3)`` bytes as a PNG, atomically.

    Raises:
        OutputError: the file can't be written.
    """
    write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, format="PNG"))
