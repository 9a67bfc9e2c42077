"""Export as a site: a folder of static files, with which a browser labels pictures that never leave it."""

import json
from collections.abc import Sequence
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from segrnn.errors import ExportError
from segrnn.export.graph import Exported
from segrnn.export.metadata import describe
from segrnn.export.onnx import export_onnx
from segrnn.export.web_runtime import BINARY, unpack_runtime
from segrnn.images import BYTE, Preprocessing
from segrnn.images.reading import read_photo
from segrnn.inference import Predictor
from segrnn.labels.space import ByteArray

MODEL, RUNTIME, EXAMPLES, DESCRIPTION = "model.onnx", "ort", "examples", "site.json"
"""The names in the folder: the network, ONNX Runtime, the example pictures, and what the page must know."""

_SHOWN = {".png", ".jpg", ".jpeg", ".webp"}
"""The suffixes of pictures that every browser shows."""


class ExamplePicture(NamedTuple):
    """A picture that the page offers."""

    name: str
    """The name that people see."""
    suffix: str
    """The suffix of its file, with the dot."""
    content: bytes
    """The bytes of its file."""


def write_site(predictor: Predictor, folder: Path, runtime: Path, examples: Sequence[ExamplePicture] = ()) -> float:
    """Write a site: the page, the network as an ONNX file, ONNX Runtime and examples.

    Args:
        predictor: the network, on the CPU, with its classes and its preprocessing.
        folder: an empty folder.
        runtime: the npm package of onnxruntime-web, see `segrnn.export.web_runtime`.
        examples: the pictures that the page offers.

    Shapes:
        The page labels pictures of any size, ``(H, W, 3)``, and its masks are those of the predictor, ``(H, W)``.

    Returns:
        The largest difference of the file's logits to the network's, as `export_onnx` measures it.

    Raises:
        ExportError: the network does not take photographs, it can't be exported for images of any size, the file
            computes something else, or `runtime` is another file.
    """
    info = predictor.info
    _require_photos(info.preprocessing)
    (folder / RUNTIME).mkdir()
    unpack_runtime(runtime, folder / RUNTIME)
    exported = Exported(predictor.segmenter, info.preprocessing, argmax=False)
    difference = export_onnx(exported, folder / MODEL, None, describe(info.labels, info.preprocessing))
    for page in (resources.files("segrnn.export") / "web").iterdir():
        place = folder / RUNTIME if page.name == "LICENSE" else folder
        (place / page.name).write_bytes(page.read_bytes())
    (folder / EXAMPLES).mkdir()
    offered = []
    for number, example in enumerate(examples, 1):
        path = f"{EXAMPLES}/{number}{example.suffix}"
        (folder / path).write_bytes(example.content)
        offered.append({"name": example.name, "path": path})
    ids = info.labels.decode(np.arange(info.labels.num_classes, dtype=np.uint8)).tolist()
    classes = [
        {"name": label.name, "id": id, "color": list(label.color)}
        for label, id in zip(info.labels.classes, ids, strict=True)
    ]
    description = {
        "title": f"Segmentation in the browser: {info.labels.name}",
        "classes": classes,
        "scale": info.preprocessing.scale,
        "base_size": info.preprocessing.base_size,
        "model": _sized(folder, MODEL),
        "runtime": _sized(folder, f"{RUNTIME}/{BINARY}"),
        "examples": offered,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return difference


def read_example(path: Path) -> ExamplePicture:
    """Read a picture for the page. A picture that not every browser shows becomes a PNG of its pixels ``(H, W, 3)``.

    Raises:
        DataError: the file is missing, or is not a picture.
    """
    pixels, _ = read_photo(path)
    suffix = path.suffix.lower()
    return ExamplePicture(path.name, suffix, path.read_bytes()) if suffix in _SHOWN else as_example(path.name, pixels)


def as_example(name: str, pixels: ByteArray) -> ExamplePicture:
    """Make a picture for the page of pixels ``(H, W, 3)``.

    Example:
        >>> as_example("black", np.zeros((2, 3, 3), np.uint8)).content[1:4]
        b'PNG'
    """
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return ExamplePicture(name, ".png", buffer.getvalue())


def _require_photos(preprocessing: Preprocessing) -> None:
    if preprocessing.channels != 3 or preprocessing.white != BYTE:
        raise ExportError(
            f"format=web needs a network for photographs, with 3 channels of 8 bits, because browsers show no others; "
            f"this one takes {preprocessing.channels} channels in which {preprocessing.white:g} counts as 1"
        )


def _sized(folder: Path, path: str) -> dict[str, str | int]:
    """Return a file's path and size. Servers that compress files don't send the size, and the page shows progress."""
    return {"path": path, "bytes": (folder / path).stat().st_size}
