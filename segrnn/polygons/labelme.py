"""labelme's JSON format: a file for each picture."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.shapes import Area, AreaError, Bitmap, Polygon


def is_labelme(content: Any) -> bool:
    """Tell whether the content of a JSON file is labelme's."""
    return isinstance(content, dict) and {"shapes", "imagePath"} <= content.keys()


def read_labelme(content: dict[str, Any], source: Source, notes: Notes) -> Annotations:
    """Read the content of a file of labelme: polygons, rectangles, circles and masks."""
    shapes: list[Shape] = []
    for shape in content["shapes"]:
        with notes.taking(source.name):
            shapes.append(Shape((str(shape["label"]),), _read_area(shape)))
    height, width = content.get("imageHeight"), content.get("imageWidth")
    size = None if height is None or width is None else (int(height), int(width))
    return Annotations([Annotated(str(content["imagePath"]), shapes, size)])


def _read_area(shape: dict[str, Any]) -> Area:
    kind = shape.get("shape_type") or "polygon"
    points = np.asarray(shape["points"], np.float64)
    if kind == "polygon":
        return Polygon(points)
    if kind not in ("rectangle", "circle", "mask"):
        raise AreaError(f"shapes of type {kind}, which have no area,")
    (x, y), (other_x, other_y) = points
    if kind == "rectangle":
        return Polygon.box(x, y, other_x, other_y)
    if kind == "circle":
        radius = float(np.hypot(other_x - x, other_y - y))
        return Polygon.ellipse(x, y, radius, radius)
    width, height = round(other_x) - round(x) + 1, round(other_y) - round(y) + 1
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=["PNG"]) as picture:
            if picture.size != (width, height):
                raise AreaError("masks of another size than their box")
            return Bitmap(np.asarray(picture.convert("L")) > 0, round(x), round(y))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow raises these for damaged files
        raise AreaError("masks that can't be decoded") from error
