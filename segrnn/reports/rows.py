"""Examples as a picture that is drawn in milliseconds, for dashboards that show one after each validation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.reports.gallery import Example
from segrnn.reports.pictures import errors

_WIDTH = 320
"""The width in pixels of each part of a row."""


def write_rows(examples: Sequence[Example], labels: LabelSpace, path: Path) -> None:
    """Draw a row for each example: its image, truth, prediction and errors, without any text.

    `write_panels` also writes titles and a legend, and takes a second.

    Args:
        examples: the examples.
        labels: the classes and their colours.
        path: the JPEG file.
    """
    rows = []
    for example in examples:
        image, truth, mask = (_fit(each) for each in (example.image, example.truth, example.prediction))
        rows.append(np.hstack([image, labels.colorize(truth), labels.colorize(mask), errors(mask, truth)]))
    # this takes a tenth of the time and of the size of a PNG; without subsampling, colours stay exact
    Image.fromarray(np.vstack(rows)).save(path, quality=90, subsampling=0)


def _fit(picture: ByteArray) -> ByteArray:
    height = max(1, round(len(picture) * _WIDTH / picture.shape[1]))
    return np.asarray(Image.fromarray(picture).resize((_WIDTH, height), Image.Resampling.NEAREST))
