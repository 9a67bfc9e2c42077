"""GeoJSON in the pixels of a picture: regions as polygons with holes."""

import json
from collections.abc import Sequence
from typing import Any

from segrnn.polygons.outlines import IntPoints, Region
from segrnn.polygons.rle import Size


def write_geojson(name: str, size: Size, regions: Sequence[Region]) -> str:
    """Return the text of a GeoJSON file. x counts from the picture's left edge, and y from its top, downwards.

    Args:
        name: the name of the picture.
        size: its height and width.
        regions: the regions. Each is a feature with the name, the id and the colour of its class.
    """
    height, width = size
    features = [_feature(region) for region in regions]
    content = {"type": "FeatureCollection", "picture": name, "width": width, "height": height, "features": features}
    return json.dumps(content) + "\n"


def _feature(region: Region) -> dict[str, Any]:
    label = region.label
    return {
        "type": "Feature",
        "properties": {"class": label.name, "id": label.id, "color": list(label.color)},
        "geometry": {"type": "Polygon", "coordinates": [_ring(ring) for ring in (region.outline, *region.holes)]},
    }


def _ring(points: IntPoints) -> list[list[int]]:
    """Return a closed ring: its first point comes again at its end."""
    ring: list[list[int]] = points.tolist()
    return [*ring, ring[0]]
