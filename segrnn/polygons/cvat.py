"""CVAT's format "CVAT for images 1.1": one XML file for all pictures."""

from typing import Any

import numpy as np

from segrnn.images.reading import MAX_PIXELS
from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.markup import Element, local_name
from segrnn.polygons.shapes import Area, AreaError, Bitmap, Polygon

_SUBSETS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "test": "test"}
"""The splits that CVAT's subsets stand for. Subsets of other names are part of the training."""


def is_cvat(content: Any) -> bool:
    """Tell whether the root of an XML file is CVAT's."""
    return isinstance(content, Element) and local_name(content) == "annotations"


def read_cvat(root: Element, source: Source, notes: Notes) -> Annotations:
    """Read the content of a file of CVAT: polygons, boxes, ellipses and masks, in the order of their z_order.

    Raises:
        ValueError: the file is of the form for videos.
    """
    if root.find("track") is not None:
        raise ValueError("it has tracks of a video: export it as 'CVAT for images 1.1'")
    pictures = []
    for image in root.iterfind("image"):
        name = image.attrib["name"]
        shapes: list[Shape] = []
        for element in image:
            if local_name(element) == "tag":  # the label of a whole picture
                continue
            with notes.taking(name):
                layer = int(element.get("z_order", "0"))
                shapes.append(Shape((element.attrib["label"],), _read_area(element), layer))
        size = (int(image.attrib["height"]), int(image.attrib["width"]))
        split = _SUBSETS.get(image.get("subset", "").lower(), "")
        pictures.append(Annotated(name, shapes, size, split))
    names = [str(name.text) for name in root.iterfind("meta//labels/label/name")]
    return Annotations(pictures, tuple(dict.fromkeys(names)))


def _read_area(element: Element) -> Area:
    kind, value = local_name(element), element.attrib
    if kind == "polygon":
        return Polygon(np.array([pair.split(",") for pair in value["points"].split(";")], np.float64))
    if kind not in ("box", "ellipse", "mask"):
        raise AreaError(f"shapes of type {kind}, which have no area,")
    if kind == "mask":
        return _read_mask(element)
    if float(value.get("rotation", "0")):
        raise AreaError("boxes and ellipses that are rotated")
    if kind == "box":
        return Polygon.box(*(float(value[side]) for side in ("xtl", "ytl", "xbr", "ybr")))
    return Polygon.ellipse(*(float(value[key]) for key in ("cx", "cy", "rx", "ry")))


def _read_mask(element: Element) -> Bitmap:
    """Return the pixels of a mask. Its lengths of runs go along the rows of its box, the first of them outside."""
    left, top, width, height = (int(float(element.attrib[key])) for key in ("left", "top", "width", "height"))
    lengths = np.array(element.attrib["rle"].split(","), np.int64)
    fits = width > 0 and height > 0 and width * height <= MAX_PIXELS
    if not fits or (lengths < 0).any() or lengths.sum() != width * height:
        raise AreaError("masks whose run-length encoding does not fill their box")
    inside = np.arange(len(lengths)) % 2 == 1
    return Bitmap(np.repeat(inside, lengths).reshape(height, width), left, top)
