"""Export as a site: a folder of static files, with which a browser labels pictures that never leave it."""

import json
from collections.abc import Mapping, Sequence
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
from segrnn.export.quantize import quantize_int8
from segrnn.export.web_runtime import BUILDS, unpack_runtime
from segrnn.images import BYTE, Preprocessing
from segrnn.images.reading import read_photo
from segrnn.inference import Predictor
from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray

MODELS = ("model.onnx", "compared.onnx")
"""The names of the networks in the folder. A site has one or two."""

RUNTIME, EXAMPLES, DESCRIPTION, THEME = "ort", "examples", "site.json", "theme.css"
"""The names in the folder: ONNX Runtime, the example pictures, what the page must know, and the colours of pages."""

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


def write_site(
    networks: Mapping[str, Predictor],
    folder: Path,
    runtime: Path,
    examples: Sequence[ExamplePicture] = (),
    int8: bool = False,
) -> float:
    """Write a site: the page, one or two networks as ONNX files, ONNX Runtime and examples.

    Args:
        networks: one network on the CPU, or two to compare, with their classes and their preprocessing, by the names
            that people see. Two networks have the same classes.
        folder: an empty folder.
        runtime: the npm package of onnxruntime-web, see `segrnn.export.web_runtime`.
        examples: the pictures that the page offers.
        int8: whether the files get 8-bit weights. Masks then differ in some pixels.

    Shapes:
        The page labels pictures of any size, ``(H, W, 3)``, and its masks are those of the predictors, ``(H, W)``.

    Returns:
        The largest difference of the files' logits to the networks', as `export_onnx` measures it before the weights
        get 8 bits.

    Raises:
        ExportError: a network does not take photographs, it can't be exported for images of any size, a file computes
            something else, two networks have other classes, or `runtime` is another file.
    """
    labels = _shared_labels(networks)
    (folder / RUNTIME).mkdir()
    unpack_runtime(runtime, folder / RUNTIME)
    differences, described = [], []
    for (name, predictor), model in zip(networks.items(), MODELS, strict=False):
        differences.append(write_network(predictor, folder / model, int8))
        preprocessing = predictor.preprocessing
        size = {"scale": preprocessing.scale, "base_size": preprocessing.base_size}
        described.append({"name": name, **size, "model": _sized(folder, model)})
    for page in (resources.files("segrnn.export") / "web").iterdir():
        place = folder / RUNTIME if page.name == "LICENSE" else folder
        (place / page.name).write_bytes(page.read_bytes())
    (folder / THEME).write_bytes((resources.files("segrnn") / THEME).read_bytes())
    ids = labels.decode(np.arange(labels.num_classes, dtype=np.uint8)).tolist()
    description = {
        "title": f"Segmentation in the browser: {labels.name}",
        "classes": [
            {"name": label.name, "id": id, "color": list(label.color)}
            for label, id in zip(labels.classes, ids, strict=True)
        ],
        "networks": described,
        "runtimes": {
            name: {"module": f"{RUNTIME}/{build.module}", "binary": _sized(folder, f"{RUNTIME}/{build.binary}")}
            for name, build in BUILDS.items()
        },
        "examples": write_examples(folder, examples),
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return max(differences)


def _shared_labels(networks: Mapping[str, Predictor]) -> LabelSpace:
    """Return the classes of one or two networks for photographs."""
    if not 1 <= len(networks) <= len(MODELS):
        raise ValueError(f"a site has one or two networks, not {len(networks)}")
    labels = [predictor.info.labels for predictor in networks.values()]
    for predictor in networks.values():
        require_photos(predictor.preprocessing)
    if labels[0].to_dict() != labels[-1].to_dict():
        named = " and ".join(f"{each.name} ({', '.join(each.class_names)})" for each in labels)
        raise ExportError(
            f"the two networks have different classes, {named}. A page compares only networks with the same classes, "
            "ids and colours: train both on one dataset"
        )
    return labels[0]


def write_network(predictor: Predictor, path: Path, int8: bool = False) -> float:
    """Write a network as an ONNX file for images of any size, and return the largest difference of its logits.

    Raises:
        ExportError: the network can't be exported for images of any size, or the file computes something else.
    """
    info = predictor.info
    exported = Exported(predictor.segmenter, info.preprocessing, argmax=False)
    difference = export_onnx(exported, path, None, describe(info.labels, info.preprocessing))
    if int8:
        quantize_int8(path, path)
    return difference


def write_examples(folder: Path, examples: Sequence[ExamplePicture]) -> list[dict[str, str]]:
    """Write the pictures that a page offers, and return their names and their paths in the folder."""
    (folder / EXAMPLES).mkdir()
    offered = []
    for number, example in enumerate(examples, 1):
        path = f"{EXAMPLES}/{number}{example.suffix}"
        (folder / path).write_bytes(example.content)
        offered.append({"name": example.name, "path": path})
    return offered


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


def require_photos(preprocessing: Preprocessing) -> None:
    """Refuse a network that takes anything but photographs.

    Raises:
        ExportError: the network takes other channels, or another depth.
    """
    if preprocessing.channels != 3 or preprocessing.white != BYTE:
        raise ExportError(
            f"a page needs a network for photographs, with 3 channels of 8 bits, because browsers show no others; "
            f"this one takes {preprocessing.channels} channels in which {preprocessing.white:g} counts as 1"
        )


def _sized(folder: Path, path: str) -> dict[str, str | int]:
    """Return a file's path and size. Servers that compress files don't send the size, and the page shows progress."""
    return {"path": path, "bytes": (folder / path).stat().st_size}
