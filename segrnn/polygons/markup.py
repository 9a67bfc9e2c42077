"""Reading JSON, XML and YAML from strangers: damaged files and XML with entities are refused by name."""

import json
from typing import Any
from xml.etree import ElementTree

import yaml

from segrnn.errors import DataError
from segrnn.images.storage import File

Element = ElementTree.Element


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type before its entities can grow or name other files. No format of annotations has one."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse a document type."""
        raise ValueError("it declares a DOCTYPE, which can hold entities: remove this line if you trust the file")


def parse_json(file: File) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file can't be read, or is not whole.
    """
    try:
        return json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not a whole JSON file: {error}") from error


def parse_xml(file: File) -> Element:
    """Read an XML file.

    Raises:
        DataError: the file can't be read, is not whole, or declares a document type.
    """
    content = _read(file)
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_NoDoctype()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # an unknown encoding is a LookupError
        raise DataError(f"{file} is not a whole XML file: {error}") from error


def parse_yaml(file: File) -> Any:
    """Read a YAML file.

    Raises:
        DataError: the file can't be read, or is not YAML.
    """
    content = _read(file)
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # PyYAML raises them all
        raise DataError(f"{file} can't be read as YAML: {error}") from error


def read_text(file: File) -> str:
    """Read a text file in UTF-8.

    Raises:
        DataError: the file can't be read, or is not UTF-8.
    """
    try:
        return _read(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a text in UTF-8: {error}") from error


def _read(file: File) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} can't be read: {error}") from error


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace.

    Example:
        >>> local_name(Element("{http://www.loc.gov/standards/alto/ns-v4#}TextBlock"))
        'TextBlock'
    """
    return str(element.tag).rpartition("}")[2]
