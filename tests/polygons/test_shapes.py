"""Areas cover the pixels that pycocotools says, and bad ones are refused by name."""

import numpy as np
import pytest
from pycocotools import mask as official

from segrnn.polygons import AreaError, Bitmap, CocoRuns, Notes, Painter, Polygon, Shape
from segrnn.polygons.rle import decode


def star(rng: np.random.Generator, center: np.ndarray, radius: float, corners: int) -> np.ndarray:
    """A random polygon around a point."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = radius * rng.uniform(0.5, 1, corners)
    return center + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def draw_official(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return official.decode(official.frPyObjects([polygon.ravel().tolist()], *size))[..., 0]


def test_polygons_with_holes_are_painted_as_pycocotools_does() -> None:
    """A hole is a polygon of the background that lies over its region, or joined to the outline by a bridge."""
    rng = np.random.default_rng(0)
    painter = Painter(["background", "a"], ["a", "background"], 0)
    for _ in range(100):
        size = tuple(rng.integers(20, 60, 2))
        center = np.array(size[::-1]) / 2
        outline = star(rng, center, rng.uniform(8, 40), rng.integers(3, 20))  # larger ones reach outside
        hole = star(rng, center, rng.uniform(2, 6), rng.integers(3, 9))
        expected = draw_official(outline, size) & ~draw_official(hole, size)
        shapes = [Shape(("background",), Polygon(hole)), Shape(("a",), Polygon(outline))]
        np.testing.assert_array_equal(painter.paint(shapes, size, Notes(), "") == 1, expected == 1)
        bridged = np.concatenate([outline, outline[:1], hole, hole[:1]])
        mask = painter.paint([Shape(("a",), Polygon(bridged))], size, Notes(), "")
        np.testing.assert_array_equal(mask, draw_official(bridged, size))


def test_a_polygon_that_crosses_itself_is_painted_where_its_border_is_met_an_odd_number_of_times() -> None:
    bow = Polygon(np.array([[0, 0], [8, 8], [8, 0], [0, 8]], float))
    around_twice = Polygon(np.array([[0, 0], [8, 0], [8, 8], [0, 8], [0, 0], [8, 0], [8, 8], [0, 8]], float))
    assert decode(bow.encode((8, 8)))[[4, 4, 1, 6], [1, 6, 4, 4]].tolist() == [1, 1, 0, 0]
    assert decode(around_twice.encode((8, 8))).sum() == 0


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 33)])
def test_run_length_encodings_are_read_as_pycocotools_does(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        pixels = rng.random(size) < rng.random()
        encoded = official.encode(np.asfortranarray(pixels, np.uint8))
        padded = np.pad(pixels.ravel(order="F"), 1).astype(int)
        places = np.flatnonzero(np.diff(padded))
        lengths = np.diff(places, prepend=0, append=pixels.size).tolist()
        for counts in (encoded["counts"].decode(), lengths):
            np.testing.assert_array_equal(decode(CocoRuns(size, counts).encode(size)), pixels)
        assert Bitmap(pixels, 0, 0).encode(size)["counts"] == encoded["counts"]


def test_pixels_outside_of_the_picture_are_cut_off() -> None:
    pixels = np.arange(12).reshape(3, 4) % 5 != 0
    whole = np.zeros((30, 30), bool)
    for left, top in ((-2, -1), (3, 2), (9, 9), (0, 0), (-9, 0), (8, 6)):
        area = Bitmap(pixels, left, top)
        whole[:] = False
        whole[10 + top : 13 + top, 10 + left : 14 + left] = pixels
        np.testing.assert_array_equal(decode(area.encode((9, 10))), whole[10:19, 10:20])
        assert area.reaches_outside((9, 10)) == (left < 0 or top < 0 or left + 4 > 10 or top + 3 > 9)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([[0, 0], [1, 1]], "fewer than three points"),
        ([[0, 0], [1, 1], [np.nan, 0]], "points that are far away or not numbers"),
        ([[0, 0], [1, 1], [np.inf, 0]], "points that are far away or not numbers"),
        ([[0, 0], [1e308, 1], [-1e308, 9]], "points that are far away or not numbers"),
        ([[1e12, 0], [1e12, 1], [1e12 + 1, 9]], "points that are far away or not numbers"),
        ([[0, 0], [1e7, 1], [0, 9]], "outline is longer than 2000000 pixels"),
        ([0, 1, 2], "not pairs of x and y"),
    ],
)
def test_bad_polygons_are_refused(points: list, reason: str) -> None:
    with pytest.raises(AreaError, match=reason):
        Polygon(np.array(points, float))


@pytest.mark.parametrize(
    "counts", ["", "\x00", "0" * 40, "PPPPPPPPPPPPPPPPPPPP", "~~~", [3, -1, 7], [4], [2**70], "5", None, 3, [1.5]]
)
def test_damaged_run_length_encodings_are_refused(counts: object) -> None:
    with pytest.raises(AreaError, match="damaged"):
        CocoRuns((3, 3), counts).encode((3, 3))
    with pytest.raises(AreaError, match="another size"):
        CocoRuns((3, 3), "09").encode((3, 4))


def test_the_order_of_classes_says_what_lies_on_top() -> None:
    box = Polygon.box(0, 0, 2, 1)
    shapes = [Shape(("title",), box), Shape(("zone:column", "zone"), Polygon.box(0, 0, 3, 1)), Shape(("stamp",), box)]
    size, classes = (1, 4), ["background", "zone", "title"]
    notes = Notes()
    assert Painter(classes, ["zone", "title"], 0).paint(shapes, size, notes, "p").tolist() == [[2, 2, 1, 0]]
    assert Painter(classes, ["title", "zone"], 0).paint(shapes, size, notes, "p").tolist() == [[1, 1, 1, 0]]
    assert Painter(classes, [], 0).paint(shapes, size, notes, "p").tolist() == [[1, 1, 1, 0]]  # the order of the file
    assert Painter(["zone", "title"], ["title"], 255).paint(shapes, size, notes, "p").tolist() == [[1, 1, 0, 255]]
    assert Painter(["background", "zone"], ["zone"], 0).paint(shapes, (1, 4), notes, "p").tolist() == [[1, 1, 1, 0]]
    assert notes.lines()[0] == "areas of 'stamp', which is not among the classes, are void: 5 (p)"
