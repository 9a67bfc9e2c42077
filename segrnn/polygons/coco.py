"""COCO's JSON format: polygons and run-length encodings in, run-length encodings out."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from segrnn.labels import Label
from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.rle import Size, count_pixels, find_box
from segrnn.polygons.shapes import Area, AreaError, CocoRuns, Polygon

CROWD_LAYER = -1
"""The layer of crowds. They are coarse, so all other areas lie over them."""


def is_coco(content: Any) -> bool:
    """Tell whether the content of a JSON file is COCO's."""
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def read_coco(content: dict[str, Any], source: Source, notes: Notes) -> Annotations:
    """Read the content of a file in COCO's format. Its path may say which split it is for."""
    split = _find_split(source.name)
    names = {category["id"]: str(category["name"]) for category in content.get("categories", [])}
    names = dict(sorted(names.items()))
    of_image: dict[Any, list[Any]] = defaultdict(list)
    for annotation in content["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    pictures = []
    for image in content["images"]:
        file_name = str(image["file_name"])
        shapes: list[Shape] = []
        for annotation in of_image.pop(image["id"], []):
            with notes.taking(file_name):
                shapes += _read_annotation(annotation, names)
        size = (image["height"], image["width"]) if {"height", "width"} <= image.keys() else None
        pictures.append(Annotated(file_name, shapes, size, split))
    for image_id, left in of_image.items():
        for _ in left:
            notes.add("annotations whose image_id is not in the list of images are left out", f"image_id {image_id}")
    return Annotations(pictures, tuple(dict.fromkeys(names.values())))


def _find_split(path: str) -> str:
    """Return the split that a path names, or an empty text.

    Example:
        >>> [_find_split(path) for path in ("instances_train2017.json", "valid/_annotations.coco.json", "trains.json")]
        ['train', 'val', '']
    """
    found = re.findall(r"(?<![a-z])(train|val|test)(?:id|ing|idation)?(?![a-z])", path.lower())
    return found[-1] if found else ""


def _read_annotation(annotation: dict[str, Any], names: dict[Any, str]) -> list[Shape]:
    category = annotation["category_id"]
    if category not in names:
        raise AreaError(f"annotations with category_id {category!r}, which categories does not list,")
    segmentation = annotation.get("segmentation")
    if not segmentation:
        raise AreaError("annotations that have a box and no segmentation")
    layer = CROWD_LAYER if annotation.get("iscrowd") else 0
    return [Shape((names[category],), area, layer) for area in _read_areas(segmentation)]


def _read_areas(segmentation: Any) -> list[Area]:
    if isinstance(segmentation, dict):
        height, width = segmentation["size"]
        return [CocoRuns((height, width), segmentation["counts"])]
    return [Polygon(_pair(numbers)) for numbers in segmentation]


def _pair(numbers: list[float]) -> Any:
    if len(numbers) % 2:
        raise AreaError("polygons whose numbers are not pairs of x and y")
    return np.asarray(numbers, np.float64).reshape(-1, 2)


class CocoWriter:
    """Collects the areas of pictures in COCO's format. Areas are run-length encodings, so they are exact.

    Args:
        labels: the classes. Their ids become the ids of the categories.

    Example:
        >>> road = Label("road", 7, 0, (128, 64, 128))
        >>> writer = CocoWriter([road])
        >>> writer.add("a.png", (1, 2), [(road, Polygon.box(1, 0, 2, 1))])
        >>> writer.content()["annotations"][0]["bbox"]
        [1.0, 0.0, 1.0, 1.0]
    """

    def __init__(self, labels: Iterable[Label]) -> None:
        self._categories = [{"id": label.id, "name": label.name} for label in labels]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, size: Size, areas: Iterable[tuple[Label, Area]]) -> None:
        """Add a picture.

        Args:
            name: the path of the picture.
            size: its height and width.
            areas: the areas with their classes.
        """
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
        for label, area in areas:
            runs = area.encode(size)
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": label.id,
                    "segmentation": {"size": list(size), "counts": runs["counts"].decode("ascii")},
                    "area": count_pixels(runs),
                    "bbox": find_box(runs),
                    "iscrowd": 0,
                }
            )

    def content(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {"images": self._images, "annotations": self._annotations, "categories": self._categories}
