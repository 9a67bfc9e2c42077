"""The formats of annotations that can be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segrnn.errors import DataError
from segrnn.polygons.alto import is_alto, read_alto
from segrnn.polygons.annotations import DAMAGE, Annotations, Notes, Source
from segrnn.polygons.coco import is_coco, read_coco
from segrnn.polygons.cvat import is_cvat, read_cvat
from segrnn.polygons.label_studio import is_label_studio, read_label_studio
from segrnn.polygons.labelme import is_labelme, read_labelme
from segrnn.polygons.markup import parse_json, parse_xml, parse_yaml
from segrnn.polygons.page_xml import is_page_xml, read_page_xml
from segrnn.polygons.yolo import is_yolo, read_yolo


@dataclass(frozen=True)
class Reader:
    """A way to read files of annotations.

    Args:
        suffixes: the suffixes of the files.
        parse: reads the file as JSON, XML or YAML.
        recognise: tells whether the parsed content has this format.
        read: returns what the parsed content says.
    """

    suffixes: tuple[str, ...]
    parse: Callable[[Any], Any]
    recognise: Callable[[Any], bool]
    read: Callable[[Any, Source, Notes], Annotations]


READERS = {
    "coco": Reader((".json",), parse_json, is_coco, read_coco),
    "yolo": Reader((".yaml", ".yml"), parse_yaml, is_yolo, read_yolo),
    "labelme": Reader((".json",), parse_json, is_labelme, read_labelme),
    "cvat": Reader((".xml",), parse_xml, is_cvat, read_cvat),
    "labelstudio": Reader((".json",), parse_json, is_label_studio, read_label_studio),
    "alto": Reader((".xml", ".alto"), parse_xml, is_alto, read_alto),
    "pagexml": Reader((".xml", ".page"), parse_xml, is_page_xml, read_page_xml),
}


def read_annotations(source: Source, format: str, notes: Notes) -> Annotations:
    """Read a file of annotations.

    Args:
        source: the file and those around it.
        format: a key of `READERS`.
        notes: gets what can't be used.

    Raises:
        DataError: the file is damaged, or has another format. The message says which format it probably has.
    """
    reader, file = READERS[format], source.files[source.name]
    content = reader.parse(file)
    if not reader.recognise(content):
        likely = [name for name, other in READERS.items() if other.recognise(content)]
        looks = f"it looks like {likely[0]}: set format={likely[0]}" if likely else "it looks like none that is known"
        raise DataError(f"{file} does not have the format {format}; {looks}")
    try:
        return reader.read(content, source, notes)
    except DAMAGE as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{file} is not a whole file of the format {format}: {what}") from error
