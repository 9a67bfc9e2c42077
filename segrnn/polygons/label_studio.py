"""Label Studio's JSON format: a list of tasks with their annotations."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import numpy as np

from segrnn.errors import DataError
from segrnn.images.reading import picture_suffixes
from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.rle import Size
from segrnn.polygons.shapes import AreaError, Polygon

_PERCENT = 100


def is_label_studio(content: Any) -> bool:
    """Tell whether the content of a JSON file is a full export of Label Studio."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"data", "annotations"} <= first.keys()


def read_label_studio(content: list[Any], source: Source, notes: Notes) -> Annotations:
    """Read the content of an export: polygons and rectangles of the first annotation of each task.

    Raises:
        DataError: a task names no picture.
    """
    pictures = []
    for task in content:
        name = _picture_name(task["data"], source)
        done = [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]
        for _ in done[1:]:
            notes.add("second annotations of one picture are left out", name)
        shapes: list[Shape] = []
        size: Size | None = None
        for result in done[0]["result"] if done else []:
            if "original_width" in result:
                size = int(result["original_height"]), int(result["original_width"])
            with notes.taking(name):
                shapes += _read_result(result)
        pictures.append(Annotated(name, shapes, size))
    return Annotations(pictures)


def _picture_name(data: dict[str, Any], source: Source) -> str:
    """Return the name of a task's picture. Label Studio puts eight digits and a hyphen before names of uploads."""
    for value in data.values():
        if not isinstance(value, str):
            continue
        url = urlparse(value)
        path = PurePosixPath(unquote(parse_qs(url.query).get("d", [url.path])[0]))
        if path.suffix.lower() in picture_suffixes():
            stripped = path.with_name(re.sub(r"^[0-9a-f]{8}-", "", path.name))
            names = {PurePosixPath(name).name for name in source.files}
            return str(path if path.name in names else stripped)
    raise DataError(f"a task of {source.name} names no picture in its data: {list(data)}")


def _read_result(result: dict[str, Any]) -> Iterator[Shape]:
    kind, value = result["type"], result["value"]
    if kind not in ("polygonlabels", "rectanglelabels"):
        raise AreaError(f"results of type {kind}")
    scale = np.array([result["original_width"], result["original_height"]]) / _PERCENT
    if kind == "polygonlabels":
        area = Polygon(np.asarray(value["points"], np.float64) * scale)
    elif value.get("rotation"):
        raise AreaError("rectangles that are rotated")
    else:
        corner, side = (np.array([value[x], value[y]]) * scale for x, y in (("x", "y"), ("width", "height")))
        area = Polygon.box(*corner, *(corner + side))
    for label in value[kind]:
        yield Shape((str(label),), area)
