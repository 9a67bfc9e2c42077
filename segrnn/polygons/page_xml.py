"""PAGE XML, version 2019-07-15, for pages: regions with their outlines, whose structure type says what they are."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from segrnn import __version__
from segrnn.polygons.alto import XSI, read_points, xml_text
from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.markup import Element, local_name
from segrnn.polygons.outlines import Region
from segrnn.polygons.rle import Size
from segrnn.polygons.segmonto import split_label
from segrnn.polygons.shapes import Polygon
from segrnn.text import printable

_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def is_page_xml(content: Any) -> bool:
    """Tell whether the root of an XML file is PAGE's."""
    return isinstance(content, Element) and local_name(content) == "PcGts"


def read_page_xml(root: Element, source: Source, notes: Notes) -> Annotations:
    """Read the regions of a page. The label of a region is its structure type, or its type, or its element's name.

    Raises:
        ValueError: the file has no page.
    """
    page = root.find("{*}Page")
    if page is None:
        raise ValueError("it has no element Page")
    shapes: list[Shape] = []
    for region in page.iter():
        coords = region.find("{*}Coords")
        if local_name(region).endswith("Region") and coords is not None:
            with notes.taking(source.name):
                area = Polygon(read_points(coords.get("points", "")))
                shapes.append(Shape(split_label(_label_of(region)), area))
    height, width = page.get("imageHeight"), page.get("imageWidth")
    size = None if height is None or width is None else (int(height), int(width))
    return Annotations([Annotated(page.get("imageFilename") or source.stem, shapes, size, other_suffix=True)])


def _label_of(region: Element) -> str:
    found = re.search(r"structure\s*\{[^}]*?\btype\s*:([^;}]*)", region.get("custom", ""))
    structure = _unescape(found[1]).strip() if found else ""
    return structure or region.get("type") or local_name(region)


def write_page_xml(name: str, size: Size, regions: Sequence[Region]) -> str:
    """Return the text of a PAGE file with the regions of a page. PAGE has no holes, so regions have none.

    Args:
        name: the name of the picture.
        size: its height and width.
        regions: the regions. The structure type of each is the name of its class.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    location = f"{_NAMESPACE} {_NAMESPACE}/pagecontent.xsd"
    root = ElementTree.Element("PcGts", {"xmlns": _NAMESPACE, "xmlns:xsi": XSI, "xsi:schemaLocation": location})
    metadata = ElementTree.SubElement(root, "Metadata")
    ElementTree.SubElement(metadata, "Creator").text = f"segrnn {__version__}"
    for key in ("Created", "LastChange"):
        ElementTree.SubElement(metadata, key).text = now
    page = ElementTree.SubElement(
        root, "Page", imageFilename=printable(name), imageWidth=str(size[1]), imageHeight=str(size[0])
    )
    for number, region in enumerate(regions, 1):
        custom = f"structure {{type:{_escape(printable(region.label.name))};}}"
        element = ElementTree.SubElement(page, "TextRegion", id=f"region{number}", custom=custom)
        points = " ".join(f"{x},{y}" for x, y in region.outline.tolist())
        ElementTree.SubElement(element, "Coords", points=points)
    return xml_text(root)


def _escape(text: str) -> str:
    r"""Write the characters that end a value in PAGE's ``custom`` as escapes.

    Example:
        >>> _escape("a;b"), _unescape(_escape(r"a;{}\b"))
        ('a\\u003bb', 'a;{}\\b')
    """
    return re.sub(r"[{};\\]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _unescape(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
