"""Areas as polygons: read from the files of annotation tools, painted into masks, and found in masks."""

from segrnn.polygons.alto import write_alto
from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source, list_labels
from segrnn.polygons.coco import CocoWriter
from segrnn.polygons.formats import READERS, Reader, read_annotations
from segrnn.polygons.geojson import write_geojson
from segrnn.polygons.outlines import Outliner, Region, cut_holes, simplify, trace
from segrnn.polygons.page_xml import write_page_xml
from segrnn.polygons.painting import Painter
from segrnn.polygons.picture_lookup import Pictures
from segrnn.polygons.shapes import AreaError, Bitmap, CocoRuns, Polygon

__all__ = [
    "READERS",
    "Annotated",
    "Annotations",
    "AreaError",
    "Bitmap",
    "CocoRuns",
    "CocoWriter",
    "Notes",
    "Outliner",
    "Painter",
    "Pictures",
    "Polygon",
    "Reader",
    "Region",
    "Shape",
    "Source",
    "cut_holes",
    "list_labels",
    "read_annotations",
    "simplify",
    "trace",
    "write_alto",
    "write_geojson",
    "write_page_xml",
]
