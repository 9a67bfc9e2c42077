"""Painting annotated areas into masks of ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray
from segrnn.polygons.annotations import Notes, Shape
from segrnn.polygons.rle import Runs, Size, count_pixels, decode, unite
from segrnn.polygons.shapes import AreaError


@dataclass(frozen=True)
class Painter:
    """Paints masks.

    Args:
        classes: the names of the classes. The place in the list is the id.
        order: the classes from the lowest to the highest one. If it is empty, areas lie over each other in the order of
            the file. Areas whose labels are not classes are void, and lie below all classes.
        background: the id of pixels without an area.
    """

    classes: Sequence[str]
    order: Sequence[str]
    background: int

    def paint(self, shapes: Sequence[Shape], size: Size, notes: Notes, place: str) -> ByteArray:
        """Return the mask ``(H, W)`` of a picture.

        Args:
            shapes: the areas of the picture.
            size: the height and the width of the picture.
            notes: gets what is cut off, lies outside or has no class.
            place: the name of the picture, for the notes.
        """
        mask = np.full(size, self.background, np.uint8)
        layers: list[tuple[tuple[int, int], int, Runs]] = []
        for shape in shapes:
            name = next((label for label in shape.labels if label in self.classes), "")
            if not name:
                notes.add(f"areas of {shape.labels[0]!r}, which is not among the classes, are void", place)
            area = self._encode(shape, size, notes, place)
            if area is not None:
                rank = self.order.index(name) if name in self.order else -1
                id = self.classes.index(name) if name else IGNORE_INDEX
                layers.append(((rank if name else -2, shape.layer), id, area))
        layers.sort(key=lambda layer: layer[0])  # areas of equal rank stay in their order
        for id, group in groupby(layers, key=lambda layer: layer[1]):
            mask[decode(unite([area for _, _, area in group])) > 0] = id
        return mask

    def _encode(self, shape: Shape, size: Size, notes: Notes, place: str) -> Runs | None:
        try:
            area = shape.area.encode(size)
        except AreaError as error:
            notes.add(f"{error} are left out", place)
            return None
        if count_pixels(area) == 0:
            notes.add("areas that cover no pixel of their picture are left out", place)
            return None
        if shape.area.reaches_outside(size):
            notes.add("areas that reach outside of their picture are cut off at its border", place)
        return area
