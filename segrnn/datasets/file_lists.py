"""Lists of the samples of a split: text files of names or of paths, and CSV files with a header."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segrnn.datasets.templates import Match
from segrnn.errors import DataError
from segrnn.images.storage import File
from segrnn.text import nearest

_COMPARED = 5000
"""The most names that are compared with a misspelled one."""

_DELIMITERS = ",;\t"


class Row(NamedTuple):
    """A line of a list: the sample's name, the line's place for messages, and the files if the line names both."""

    name: str
    place: str
    pair: tuple[File, File] | None


@dataclass(frozen=True)
class Contents:
    """The files that the lines of a list may name.

    Args:
        root: the dataset's root. Paths in lists may begin with it.
        files: all files, by their paths from the root.
        images: the images that the templates have found.
    """

    root: str
    files: Mapping[str, File]
    images: Sequence[Match]

    def plain(self, text: str) -> str:
        """Return a path as `files` has it: with slashes, and without the root, ``./`` or a slash at its beginning."""
        path = text.strip().replace("\\", "/").removeprefix(f"{Path(self.root).as_posix()}/")
        return re.sub(r"^(\./|/)+", "", path)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Return the names of the images, by their names and their paths."""
        return {key: image.name for image in self.images for key in (image.path, image.name)}

    def name_of(self, path: str) -> str | None:
        """Return the name of the image that a path or a name stands for, or None if there is none."""
        return self._names.get(path)


def read_list(file: File, contents: Contents) -> list[Row]:
    """Read a list without a header. Each line has a name, an image's path, or the paths of an image and its mask.

    Blank lines are skipped. A path may have blanks.

    Args:
        file: the list.
        contents: the files that its lines may name.

    Raises:
        DataError: the list is not a text, it is empty, or a line names a file that does not exist or is named before.
    """
    lines = [(number, line) for number, line in enumerate(re.split(r"\r\n|\r|\n", _text(file)), 1) if line.strip()]
    return _distinct(file, (_row(line, contents, f"{file} line {number}") for number, line in lines))


def read_table(file: File, contents: Contents, split: str | None = None) -> list[Row]:
    """Read a CSV file with the columns ``image``, and if it has them ``mask`` and ``split``.

    Args:
        file: the CSV file. Columns may be separated by commas, semicolons or tabs.
        contents: the files that it may name.
        split: the split whose lines are read. Without it, all lines are read, and there need not be a column of splits.

    Raises:
        DataError: a column or a file is missing, the file is not a text, or it is empty.
    """
    return _distinct(file, (_table_row(row, contents) for row in _records(file) if split in (None, row.split)))


def splits_of_table(file: File) -> list[str]:
    """Return the splits that a CSV file names, in the order of their first lines.

    Raises:
        DataError: a column is missing, or the file is not a text.
    """
    return list(dict.fromkeys(row.split or "" for row in _records(file, ("image", "split"))))


class _Record(NamedTuple):
    place: str
    image: str
    mask: str | None
    split: str | None


def _records(file: File, needed: Sequence[str] = ("image",)) -> Iterator[_Record]:
    text = _text(file)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [column.strip().lower() for column in next(rows, [])]
    for column in needed:
        if column not in columns:
            raise DataError(
                f"{file}: its first line is {header.strip()[:80]!r}, without a column {column}"
                f"{nearest(column, columns)}. The first line of a CSV file names the columns: image,mask,split"
            )
    for row in rows:
        cells = {column: cell.strip() for column, cell in zip(columns, row, strict=False)}
        if any(cells.values()):
            place = f"{file} line {rows.line_num}"
            yield _Record(place, cells.get("image", ""), cells.get("mask") or None, cells.get("split"))


def _table_row(record: _Record, contents: Contents) -> Row:
    if record.mask is None:
        return _named_row(record.image, contents, record.place)
    return _pair(contents.plain(record.image), contents.plain(record.mask), contents, record.place)


def _row(line: str, contents: Contents, place: str) -> Row:
    """Read a line. What separates two paths is known by the files: paths may have blanks, commas and semicolons."""
    if contents.name_of(contents.plain(line)) is None:
        cuts = [
            (contents.plain(line[: cut.start()]), contents.plain(line[cut.end() :]))
            for cut in re.finditer(r"[\t,;]\s*|\s+", line.strip())
        ]
        known = [sum(path in contents.files for path in pair) for pair in cuts]
        if any(known):
            return _pair(*cuts[known.index(max(known))], contents, place)
    return _named_row(line, contents, place)


def _named_row(text: str, contents: Contents, place: str) -> Row:
    path = contents.plain(text)
    name = contents.name_of(path)
    if name is not None:
        return Row(name, place, None)
    if path in contents.files:
        raise DataError(
            f"{place}: {path} is a file, but the template of images in classes.yaml does not fit it: change the "
            "template, or write the mask's path behind it"
        )
    some = [part for image in islice(contents.images, _COMPARED) for part in (image.name, image.path)]
    raise DataError(
        f"{place}: {text.strip()!r} is not an image's name or path, or the paths of an image and its mask"
        f"{nearest(path, some)}. Paths begin below {contents.root}; names are what {{name}} stands for in images"
    )


def _pair(image: str, mask: str, contents: Contents, place: str) -> Row:
    for kind, path in (("image", image), ("mask", mask)):
        if path not in contents.files:
            near = nearest(path, islice(contents.files, _COMPARED))
            raise DataError(f"{place}: the {kind} {path!r} does not exist below {contents.root}{near}")
    name = contents.name_of(image) or PurePosixPath(image).with_suffix("").as_posix()
    return Row(name, place, (contents.files[image], contents.files[mask]))


def _distinct(file: File, rows: Iterator[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        first = found.setdefault(row.name, row)
        if first is not row:
            raise DataError(f"{row.place}: {row.name!r} is also in {first.place}: remove one of the two lines")
    if not found:
        raise DataError(f"{file} lists no images")
    return list(found.values())


def _text(file: File) -> str:
    """Return the text of a list, which may begin with a mark of its encoding."""
    try:
        content = file.read_bytes()
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not a text in UTF-8 ({error}): save it in this encoding") from error
