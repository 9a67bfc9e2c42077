"""Outlines cover exactly the pixels of their regions, whatever these look like."""

import json

import numpy as np
import pytest
import shapely
from scipy import ndimage

from segrnn.errors import ConfigError
from segrnn.labels import Label, LabelSpace
from segrnn.polygons import Bitmap, Outliner, Region, cut_holes, trace, write_geojson
from segrnn.polygons.rle import decode, encode_polygon

LABELS = LabelSpace("three", [Label(name, 7 * id, id, (id, 0, 0)) for id, name in enumerate(("background", "a", "b"))])


def random_masks(count: int, classes: int = 3) -> list[np.ndarray]:
    """Masks of noise and of blots, of one row, one column and many: with single pixels, diagonals and holes."""
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(count):
        size = tuple(rng.integers(1, 30, 2))
        noise = rng.random((classes, *size))
        smooth = ndimage.gaussian_filter(noise, (0, rng.choice([0, 1, 2]), 1)) if rng.random() < 0.7 else noise
        masks.append(smooth.argmax(0).astype(np.uint8))
    return masks


def paint(regions: list[Region], size: tuple[int, int]) -> np.ndarray:
    """Train ids, painted by pycocotools: a region without its holes."""
    mask = np.zeros(size, np.uint8)
    for region in regions:
        inside = decode(encode_polygon(region.outline, size)) > 0
        for hole in region.holes:
            inside &= decode(encode_polygon(hole, size)) == 0
        mask[inside] = region.label.train_id
    return mask


def test_outlines_without_simplification_give_the_mask_back() -> None:
    holes = cuts = 0
    for mask in random_masks(80):
        outliner = Outliner(tolerance=0)
        regions = outliner.regions(LABELS, mask)
        holes += sum(len(region.holes) for region in regions)
        np.testing.assert_array_equal(paint(regions, mask.shape), mask)
        pieces, cut = outliner.regions_without_holes(LABELS, mask)
        cuts += cut
        assert not any(piece.holes for piece in pieces)
        np.testing.assert_array_equal(paint(pieces, mask.shape), mask)
    assert holes > 15  # the masks have what is hard
    assert cuts > 8


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 3.0])
def test_polygons_are_valid(tolerance: float) -> None:
    """shapely's rules are those of GIS: no ring crosses or touches itself, and holes lie inside."""
    for mask in random_masks(25):
        for region in Outliner(tolerance).regions(LABELS, mask):
            polygon = shapely.Polygon(region.outline, region.holes)
            assert polygon.is_valid
            assert polygon.exterior.is_ccw  # as GeoJSON asks for
            assert not any(hole.is_ccw for hole in polygon.interiors)


def test_a_simpler_outline_stays_within_its_tolerance() -> None:
    y, x = np.mgrid[:60, :80]
    mask = (np.hypot(x - 40, y - 30) < 25).astype(np.uint8)
    [exact] = Outliner(tolerance=0).regions(LABELS, mask)
    [simple] = Outliner(tolerance=1).regions(LABELS, mask)
    assert len(simple.outline) < len(exact.outline) / 3
    rings = [shapely.LinearRing(region.outline) for region in (exact, simple)]
    assert rings[0].hausdorff_distance(rings[1]) <= 1
    assert (paint([simple], mask.shape) != mask).mean() < 0.02


def test_a_region_that_touches_itself_at_a_corner_has_a_hole_there() -> None:
    pixels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    outline, holes = trace(pixels)
    assert len({*map(tuple, outline.tolist())}) == len(outline)
    assert [hole.tolist() for hole in holes] == [[[1, 2], [2, 2], [2, 1], [1, 1]]] or len(holes[0]) == 4


def test_a_region_is_cut_as_seldom_as_its_holes_allow() -> None:
    pixels = np.ones((9, 20), bool)
    pixels[2, 3:9] = pixels[5, 5:12] = pixels[7, 15] = False  # one cut meets the first two
    assert len(list(cut_holes(Bitmap(pixels, 0, 0)))) == 3


def test_what_is_left_out_has_no_polygons_and_must_be_a_class() -> None:
    mask = np.array([[0, 1, 2]], np.uint8)
    regions = Outliner(0, ["background", "b"]).regions(LABELS, mask)
    assert [region.label.name for region in regions] == ["a"]
    assert len(Outliner(0, []).regions(LABELS, mask)) == 3
    Outliner(0).check(LABELS)
    with pytest.raises(ConfigError, match=r"polygons.leave_out has 'bb' \(did you mean b\?\); the classes are"):
        Outliner(0, ["bb"]).check(LABELS)


def test_geojson_has_rings_that_end_where_they_begin() -> None:
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
    content = json.loads(write_geojson("ä\udcdf.png", mask.shape, Outliner(0).regions(LABELS, mask)))
    [feature] = content["features"]
    assert feature["properties"] == {"class": "a", "id": 7, "color": [1, 0, 0]}
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.is_valid
    assert (shape.area, len(shape.interiors)) == (8, 1)
    assert all(ring[0] == ring[-1] for ring in feature["geometry"]["coordinates"])
