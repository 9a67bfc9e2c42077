"""Outlines of the regions of a mask, along the edges of pixels.

`cv2.findContours` runs through the centres of border pixels, so its polygons lose half a pixel on each side. Here,
corners of polygons are corners of pixels: a polygon covers exactly the pixels of its region.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segrnn.errors import ConfigError
from segrnn.labels import Label, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.polygons.shapes import Bitmap
from segrnn.text import nearest

IntPoints = npt.NDArray[np.int64]
"""The corners ``(N, 2)`` of a ring, each as x and y. The first one is not repeated at the end."""

_Bools = npt.NDArray[np.bool_]
BACKGROUND = "background"


@dataclass(frozen=True)
class Region:
    """A connected part of a mask with one class.

    Args:
        label: the class.
        outline: the outer ring ``(N, 2)``. It runs to the right along an upper edge.
        holes: the rings of the holes. They run the other way round.
    """

    label: Label
    outline: IntPoints
    holes: tuple[IntPoints, ...] = ()


@dataclass(frozen=True)
class Outliner:
    """Makes polygons from masks.

    Args:
        tolerance: how far, in pixels, an outline may be from the edges of the pixels. With 0, it follows them.
        leave_out: the names of classes that get no polygons.
    """

    tolerance: float = 1.0
    leave_out: Sequence[str] = (BACKGROUND,)

    def check(self, labels: LabelSpace) -> None:
        """Refuse names to leave out that are not classes, and a tolerance that needs a missing package.

        Raises:
            ConfigError: there is no class of this name, or shapely is not installed.
        """
        if self.tolerance:
            _shapely()
        for name in self.leave_out:
            if name not in labels.class_names and name != BACKGROUND:
                raise ConfigError(
                    f"polygons.leave_out has {name!r}{nearest(name, labels.class_names)}; the classes are "
                    f"{', '.join(labels.class_names)}"
                )

    def areas(self, labels: LabelSpace, mask: ByteArray) -> Iterator[tuple[Label, Bitmap]]:
        """Yield the connected parts of each class in a mask of train ids ``(H, W)``.

        Pixels that touch only at a corner are not connected.
        """
        for label in labels.classes:
            if label.name in self.leave_out:
                continue
            for area in _parts(mask == label.train_id):
                yield label, area

    def regions(self, labels: LabelSpace, mask: ByteArray) -> list[Region]:
        """Return the regions of a mask of train ids ``(H, W)``, with their holes."""
        return [self._outline(*area) for area in self.areas(labels, mask)]

    def regions_without_holes(self, labels: LabelSpace, mask: ByteArray) -> tuple[list[Region], int]:
        """Return the regions of a mask, in pieces without holes, for formats that have none.

        A region with holes is cut from top to bottom through them, with as few cuts as possible.

        Args:
            labels: the classes.
            mask: the train ids ``(H, W)``.

        Returns:
            The regions, and the number of them that were cut.
        """
        found, cut = [], 0
        for label, area in self.areas(labels, mask):
            pieces = list(cut_holes(area))
            cut += len(pieces) > 1
            found += [self._outline(label, piece) for piece in pieces]
        return found, cut

    def _outline(self, label: Label, area: Bitmap) -> Region:
        outline, holes = trace(area.pixels)
        if self.tolerance and (len(outline) > 4 or holes):  # a rectangle is simple, and a small one would be half lost
            outline, holes = simplify(outline, holes, self.tolerance)
        start = np.array([area.left, area.top])
        return Region(label, outline + start, tuple(hole + start for hole in holes))


def _parts(pixels: _Bools, left: int = 0, top: int = 0) -> Iterator[Bitmap]:
    """Yield the connected parts of some pixels that begin at a column and a row of a picture."""
    numbered, _ = ndimage.label(pixels)
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), 1):
        yield Bitmap(numbered[rows, columns] == number, left + columns.start, top + rows.start)


def trace(pixels: _Bools) -> tuple[IntPoints, list[IntPoints]]:
    """Return the outer ring of a connected region and the rings of its holes.

    No ring meets itself. A ring that comes to a point again, where pixels touch at a corner, is divided there.

    Args:
        pixels: the pixels ``(H, W)`` of a region whose pixels are connected by their edges.

    Example:
        >>> trace(np.array([[True, True]]))[0].tolist()
        [[0, 0], [2, 0], [2, 1], [0, 1]]
    """
    outlines: list[IntPoints] = []
    holes: list[IntPoints] = []
    for ring in _walk_rings(pixels):
        (outlines if _area(ring) > 0 else holes).append(ring)
    [outline] = outlines
    return outline, holes


def _walk_rings(pixels: _Bools) -> Iterator[IntPoints]:
    """Yield all rings along the edges of pixels, with the region on their right-hand side.

    At each corner of the grid, four pixels meet. A ring turns right at a corner where one of them or two opposite ones
    are in the region, and left where three of them are. It goes straight on elsewhere.
    """
    padded = np.pad(pixels, 1)
    corners = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    upper_left, upper_right, _, lower_right = corners
    count = corners.sum(0)
    opposite = (count == 2) & (upper_left == lower_right)
    ys, xs = np.nonzero((count % 2 == 1) | opposite)
    turn = np.where(count[ys, xs] == 3, -1, 1).tolist()
    begins = ~upper_right[ys, xs] & lower_right[ys, xs]  # an edge to the right, with the region below it
    by_column = np.lexsort((ys, xs))
    below, above = np.empty_like(by_column), np.empty_like(by_column)
    below[by_column], above[by_column] = np.roll(by_column, -1), np.roll(by_column, 1)
    everything = np.arange(len(ys))
    steps = [(everything + 1).tolist(), below.tolist(), (everything - 1).tolist(), above.tolist()]
    points = np.stack([xs, ys], 1).astype(np.int64)
    unused = dict.fromkeys(np.nonzero(begins)[0].tolist())
    while unused:
        first = next(iter(unused))
        at, direction = first, 0
        path, place = [first], {first: 0}
        while True:
            if direction == 0:
                del unused[at]
            at = steps[direction][at]
            direction = (direction + turn[at]) % 4
            if at not in place:
                place[at] = len(path)
                path.append(at)
                continue
            ring = path[place[at] :]  # the path has come to this point before
            yield points[ring]
            for each in ring[1:]:
                del place[each]
            del path[place[at] + 1 :]
            if (at, direction) == (first, 0):
                break


def _area(ring: IntPoints) -> int:
    """Return twice the area inside a ring, negative if it runs the other way round."""
    x, y = ring.T
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def cut_holes(area: Bitmap) -> Iterator[Bitmap]:
    """Cut a connected area into pieces without holes, from top to bottom through its holes.

    Example:
        >>> ring = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
        >>> [(piece.left, piece.pixels.astype(int).tolist()) for piece in cut_holes(Bitmap(ring, 5, 0))]
        [(5, [[1], [1], [1]]), (6, [[1, 1], [0, 1], [1, 1]])]
    """
    outside, _ = ndimage.label(np.pad(~area.pixels, 1, constant_values=True))
    spans = [(columns.start - 1, columns.stop - 2) for _, columns in ndimage.find_objects(outside)]
    del spans[outside[0, 0] - 1]
    cuts = [0]
    for first, last in sorted(spans, key=lambda span: span[1]):
        if first > cuts[-1]:
            cuts.append(last)
    for left, right in pairwise([*cuts, area.pixels.shape[1]]):
        yield from _parts(area.pixels[:, left:right], area.left + left, area.top)


def simplify(outline: IntPoints, holes: Sequence[IntPoints], tolerance: float) -> tuple[IntPoints, list[IntPoints]]:
    """Leave out corners of a region by the rule of Douglas and Peucker. The rings stay valid: none crosses itself.

    Args:
        outline: the outer ring ``(N, 2)``.
        holes: the rings of the holes.
        tolerance: how far, in pixels, a corner that is left out may be from the new ring.

    Raises:
        ConfigError: shapely is not installed.
    """
    simple = _shapely().Polygon(outline, holes).simplify(tolerance)
    rings = [np.asarray(ring.coords[:-1]).astype(np.int64) for ring in (simple.exterior, *simple.interiors)]
    return rings[0], rings[1:]


def _shapely() -> Any:
    """Import shapely, which need not be installed."""
    try:
        import shapely
    except ImportError as error:
        raise ConfigError(
            f"simpler outlines need shapely, which can't be imported ({error}): "
            'pip install "segrnn[polygons]", or follow the pixels with polygons.tolerance=0'
        ) from error
    return shapely
