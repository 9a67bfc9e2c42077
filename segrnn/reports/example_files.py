"""The file of a run's chosen images, with which runs are compared."""

import json
import re
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from segrnn.atomic import write_atomically
from segrnn.errors import DataError
from segrnn.labels import LabelSpace, hex_color
from segrnn.labels.space import ByteArray
from segrnn.metrics.arithmetic import known
from segrnn.reports.gallery import Example

_FILE = "examples.zip"
_LIST = "examples.json"
_LONGEST_SIDE = 4096
"""The longest side of a picture that is read. A file from elsewhere can't fill the memory."""


class ExampleFile(NamedTuple):
    """The content of a file of chosen images."""

    colors: dict[str, str]
    """The colours of the classes by their names, in the order of their train ids, as ``#rrggbb``."""
    examples: list[Example]
    """The images with their labels and predicted masks."""


def write_examples(examples: Sequence[Example], labels: LabelSpace, folder: Path) -> None:
    """Write images to ``examples.zip``: for each a JPEG, and PNGs of the train ids of its label and its mask.

    Args:
        examples: the images.
        labels: the classes.
        folder: the folder of the file.

    Raises:
        OutputError: the file can't be written.
    """
    rows = [{"name": example.name, "miou": known(example.miou)} for example in examples]
    listed = json.dumps(
        {"classes": {label.name: hex_color(label.color) for label in labels.classes}, "examples": rows}, indent=2
    )

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "w") as archive:  # the pictures are compressed already
            archive.writestr(_LIST, listed)
            for number, example in enumerate(examples):
                archive.writestr(f"{number}.jpg", _encode(example.image, "jpeg"))
                archive.writestr(f"{number}_truth.png", _encode(example.truth, "png"))
                archive.writestr(f"{number}_prediction.png", _encode(example.prediction, "png"))

    write_atomically(folder / _FILE, write)


def read_examples(folder: Path) -> ExampleFile | None:
    """Read ``examples.zip`` in the folder of a run, or return None if the run has not written it yet.

    Raises:
        DataError: the file is broken, or another program wrote it.
    """
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            listed = json.loads(archive.read(_LIST))
            examples = [_read(archive, number, row) for number, row in enumerate(listed["examples"])]
            return ExampleFile(_checked(listed["classes"]), examples)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        Image.DecompressionBombError,
    ) as error:
        raise DataError(f"{path} can't be read ({error}): remove it, and the page leaves its pictures out") from error


def _checked(colors: dict[str, str]) -> dict[str, str]:
    if not all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors.values()):
        raise ValueError("a colour that is not #rrggbb")
    return colors


def _read(archive: zipfile.ZipFile, number: int, row: dict[str, Any]) -> Example:
    image, truth, prediction = (
        _decode(archive.read(f"{number}{name}"), mode)
        for name, mode in ((".jpg", "RGB"), ("_truth.png", "L"), ("_prediction.png", "L"))
    )
    if not image.shape[:2] == truth.shape == prediction.shape:
        raise ValueError(f"the pictures of {row['name']} have several sizes")
    miou = float("nan") if row["miou"] is None else float(row["miou"])
    return Example(str(row["name"]), image, truth, prediction, miou)


def _decode(content: bytes, mode: str) -> ByteArray:
    with Image.open(BytesIO(content)) as picture:
        if max(picture.size) > _LONGEST_SIDE or picture.mode != mode:
            raise ValueError(f"a picture of {picture.size} pixels in the mode {picture.mode}")
        return np.asarray(picture)


def _encode(pixels: ByteArray, format: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format, quality=90)
    return buffer.getvalue()
