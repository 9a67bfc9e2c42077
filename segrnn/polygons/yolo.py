"""YOLO's format for segmentation: a data.yaml, and a text file of polygons for each picture."""

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from segrnn.errors import DataError
from segrnn.images.reading import picture_suffixes, read_size
from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.markup import read_text
from segrnn.polygons.rle import Size
from segrnn.polygons.shapes import AreaError, Polygon

_SPLITS = ("train", "val", "test")
_BOX = 4
"""How many numbers a line with a box has behind its class."""


def is_yolo(content: Any) -> bool:
    """Tell whether the content of a YAML file is a data.yaml of YOLO."""
    return isinstance(content, dict) and "names" in content and not {*_SPLITS}.isdisjoint(content)


def read_yolo(content: dict[str, Any], source: Source, notes: Notes) -> Annotations:
    """Read the splits that a data.yaml names, with the polygons of their pictures.

    Raises:
        DataError: the folder of a split holds no pictures, or no picture has a text file.
    """
    given = content["names"]
    names = {int(key): _text(name) for key, name in (given.items() if isinstance(given, dict) else enumerate(given))}
    pictures: list[Annotated] = []
    texts = 0
    for split in _SPLITS:
        for name in _find_pictures(content, split, source, notes):
            if name not in source.files:
                notes.add("pictures of a list that are missing are left out", name)
                continue
            try:
                height, width = read_size(source.files[name])
            except DataError as error:
                notes.add("pictures that can't be read are left out", str(error))
                continue
            label_path = _label_path(name)
            text = read_text(source.files[label_path]) if label_path in source.files else ""
            texts += label_path in source.files
            shapes: list[Shape] = []
            for line in text.splitlines():
                if line.strip():
                    with notes.taking(label_path):
                        shapes.append(_read_line(line.split(), names, (height, width)))
            pictures.append(Annotated(name, shapes, (height, width), split))
    if pictures and not texts:
        wanted = _label_path(pictures[0].picture)
        raise DataError(f"none of {len(pictures)} pictures has a text file; that of the first would be {wanted}")
    return Annotations(pictures, tuple(dict.fromkeys(names[key] for key in sorted(names))))


def _text(value: Any) -> str:
    """Return a name or a path of a YAML file. Lists are refused: they may hold themselves many times."""
    if not isinstance(value, str | int | float):
        raise ValueError("names and paths in it must be texts")
    return str(value)


def _find_pictures(content: Mapping[str, Any], split: str, source: Source, notes: Notes) -> Iterator[str]:
    """Yield the paths of a split's pictures. A split has folders, or text files with lists of paths."""
    entries, base = content.get(split) or [], _text(content.get("path") or "")
    for entry in map(_text, entries if isinstance(entries, list) else [entries]):
        # tools write paths that were right on another machine: from the folder of their data sets, or one folder up
        ways = [PurePosixPath(base, entry), PurePosixPath(entry), PurePosixPath(entry.lstrip("./"))]
        places = list(dict.fromkeys(os.path.normpath(PurePosixPath(source.folder, way)) for way in ways))
        found = next((some for place in places if (some := _list_pictures(place, source))), None)
        if not found and split == "test":  # many a data.yaml names one that nobody has
            notes.add("splits without pictures are left out", f"{split}: {entry}")
            continue
        if not found:
            raise DataError(f"{split}: {entry} holds no pictures; looked for {' and '.join(places)} in the source")
        yield from found


def _list_pictures(place: str, source: Source) -> list[str]:
    if place in source.files:
        lines = [line.strip() for line in read_text(source.files[place]).splitlines()]
        return [os.path.normpath(PurePosixPath(place).parent / line) for line in lines if line]
    prefix = "" if place == "." else f"{place}/"
    suffixes = picture_suffixes()
    return [name for name, file in source.files.items() if name.startswith(prefix) and file.suffix.lower() in suffixes]


def _label_path(picture: str) -> str:
    """Return the path of a picture's text file: ``labels`` in place of the last folder ``images``, and ``.txt``.

    Example:
        >>> _label_path("images/train/images/7.jpg")
        'images/train/labels/7.txt'
    """
    path = PurePosixPath(picture).with_suffix(".txt")
    parts = list(path.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return PurePosixPath(*parts).as_posix()


def _read_line(words: list[str], names: Mapping[int, str], size: Size) -> Shape:
    """Return the area of a line: its class, and x and y of each point as shares of the picture's width and height."""
    number = int(words[0])
    if number not in names:
        raise AreaError(f"lines of class {number}, which names in data.yaml does not list,")
    if len(words) == 1 + _BOX:
        raise AreaError("lines with four numbers, which are a box or two points,")
    if len(words) % 2 == 0:
        raise AreaError("polygons whose numbers are not pairs of x and y")
    height, width = size
    return Shape((names[number],), Polygon(np.array(words[1:], np.float64).reshape(-1, 2) * (width, height)))
