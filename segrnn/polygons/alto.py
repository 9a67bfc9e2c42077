"""ALTO XML, version 4, for pages: blocks with their outlines, whose tags say what they are."""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from segrnn.polygons.annotations import Annotated, Annotations, Notes, Shape, Source
from segrnn.polygons.markup import Element, local_name
from segrnn.polygons.outlines import Region
from segrnn.polygons.rle import Size
from segrnn.polygons.segmonto import split_label
from segrnn.polygons.shapes import AreaError, Polygon
from segrnn.text import printable

_BLOCKS = ("TextBlock", "Illustration", "GraphicalElement", "ComposedBlock")
_BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def is_alto(content: Any) -> bool:
    """Tell whether the root of an XML file is ALTO's."""
    return isinstance(content, Element) and local_name(content) == "alto"


def read_alto(root: Element, source: Source, notes: Notes) -> Annotations:
    """Read the blocks of a page. The label of a block is that of its tag, or its TYPE, or the name of its element.

    Raises:
        ValueError: the file has several pages, or another unit than pixels.
    """
    unit = (root.findtext(".//{*}MeasurementUnit") or "pixel").strip()
    if unit != "pixel":
        raise ValueError(f"its MeasurementUnit is {unit}, and only pixel can be read")
    pages = root.findall(".//{*}Page")
    if len(pages) != 1:
        raise ValueError(f"it has {len(pages)} pages, but only files of one page can be read")
    # tags of other types say other things, for example the language
    kinds = [tag for tag in root.iterfind(".//{*}Tags/*") if tag.get("TYPE", "type").lower() in ("type", "region")]
    tags = {tag.get("ID", ""): tag.get("LABEL") for tag in kinds}
    shapes: list[Shape] = []
    for block in pages[0].iter():
        if local_name(block) in _BLOCKS:
            with notes.taking(source.name):
                shapes.append(Shape(split_label(_label_of(block, tags)), _read_area(block)))
    height, width = pages[0].get("HEIGHT"), pages[0].get("WIDTH")
    size = None if height is None or width is None else (round(float(height)), round(float(width)))
    named = root.findtext(".//{*}sourceImageInformation/{*}fileName")
    return Annotations([Annotated(named or source.stem, shapes, size, other_suffix=True)])


def _label_of(block: Element, tags: dict[str, str | None]) -> str:
    labels = [label for reference in block.get("TAGREFS", "").split() if (label := tags.get(reference))]
    return labels[0] if labels else block.get("TYPE") or local_name(block)


def _read_area(block: Element) -> Polygon:
    polygon = block.find("./{*}Shape/{*}Polygon")
    if polygon is not None:
        return Polygon(read_points(polygon.get("POINTS", "")))
    if not block.attrib.keys() >= {*_BOX}:
        raise AreaError("blocks that have neither an outline nor a box")
    left, top, width, height = (float(block.attrib[key]) for key in _BOX)
    return Polygon.box(left, top, left + width, top + height)


def read_points(text: str) -> Any:
    """Return the points ``(N, 2)`` in a text of numbers, with blanks, commas or brackets between them.

    Raises:
        AreaError: the numbers are not pairs.

    Example:
        >>> read_points("1,2 3,4.5").tolist(), read_points("1 2 3 4.5").tolist()
        ([[1.0, 2.0], [3.0, 4.5]], [[1.0, 2.0], [3.0, 4.5]])
    """
    numbers = np.array(re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text), np.float64)
    if len(numbers) % 2:
        raise AreaError("polygons whose numbers are not pairs of x and y")
    return numbers.reshape(-1, 2)


def write_alto(name: str, size: Size, regions: Sequence[Region]) -> str:
    """Return the text of an ALTO file with the regions of a page as blocks. ALTO has no holes, so regions have none.

    Args:
        name: the name of the picture.
        size: its height and width.
        regions: the regions. The tag of a block has the name of its class.
    """
    height, width = (str(side) for side in size)
    attributes = {"xmlns": _NAMESPACE, "xmlns:xsi": XSI, "xsi:schemaLocation": f"{_NAMESPACE} {_SCHEMA}"}
    root = ElementTree.Element("alto", attributes)
    description = ElementTree.SubElement(root, "Description")
    ElementTree.SubElement(description, "MeasurementUnit").text = "pixel"
    picture = ElementTree.SubElement(description, "sourceImageInformation")
    ElementTree.SubElement(picture, "fileName").text = printable(name)
    tags = {label: f"tag{number}" for number, label in enumerate(dict.fromkeys(r.label for r in regions), 1)}
    if tags:
        tag_list = ElementTree.SubElement(root, "Tags")
        for label, id in tags.items():
            ElementTree.SubElement(tag_list, "OtherTag", ID=id, LABEL=printable(label.name))
    layout = ElementTree.SubElement(root, "Layout")
    page = ElementTree.SubElement(layout, "Page", ID="page1", PHYSICAL_IMG_NR="1", WIDTH=width, HEIGHT=height)
    space = ElementTree.SubElement(page, "PrintSpace", HPOS="0", VPOS="0", WIDTH=width, HEIGHT=height)
    for number, region in enumerate(regions, 1):
        (left, top), (right, bottom) = region.outline.min(0).tolist(), region.outline.max(0).tolist()
        names = {"ID": f"block{number}", "TAGREFS": tags[region.label]}
        box = zip(_BOX, map(str, (left, top, right - left, bottom - top)), strict=True)
        block = ElementTree.SubElement(space, "TextBlock", {**names, **dict(box)})
        points = " ".join(f"{x} {y}" for x, y in region.outline.tolist())
        ElementTree.SubElement(ElementTree.SubElement(block, "Shape"), "Polygon", POINTS=points)
    return xml_text(root)


def xml_text(root: Element) -> str:
    """Return the text of an XML file, with a line for each element."""
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'
