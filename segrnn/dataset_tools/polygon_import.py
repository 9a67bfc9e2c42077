"""Making a folder of pictures and masks from the polygons of annotation tools."""

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from segrnn.datasets.mask_folder import MaskFolder
from segrnn.errors import ConfigError, DataError
from segrnn.images.reading import read_size
from segrnn.images.storage import Tree
from segrnn.labels import IGNORE_INDEX, Label, LabelSpace
from segrnn.labels.colors import spread_color
from segrnn.polygons import READERS, Annotated, Notes, Painter, Pictures, Source, list_labels, read_annotations
from segrnn.polygons.annotations import Annotations
from segrnn.text import counted, nearest


@dataclass(frozen=True)
class Entry:
    """An annotated picture.

    Args:
        annotated: the annotations.
        source: the file of annotations.
        pictures: where the picture is looked for.
    """

    annotated: Annotated
    source: Source
    pictures: Pictures


def find_sources(path: Path, format: str) -> list[Source]:
    """Return the files of annotations in a folder or an archive, or the one file.

    Args:
        path: the file, the folder or the archive.
        format: a key of `segrnn.polygons.READERS`.

    Raises:
        DataError: there is no such file. The message says which files there are.
    """
    one = path.is_file() and not zipfile.is_zipfile(path)
    try:
        files = Tree(path.parent if one else path, archives=False).files()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error}") from error
    if one:
        return [Source(path.name, files | {path.name: path})]
    suffixes = READERS[format].suffixes
    found = [Source(name, files) for name, file in files.items() if file.suffix.lower() in suffixes]
    if not found:
        others = sorted({file.suffix.lower() for file in files.values() if file.suffix})
        raise DataError(
            f"{path} holds no file of the format {format} ({' or '.join(suffixes)}); it holds files of the kinds "
            f"{', '.join(others) or 'none'}"
        )
    return found


def open_pictures(source: Path, images: str) -> Pictures:
    """Return the pictures of a source, which lie beside the annotations or in a folder or archive of their own.

    Args:
        source: the file, the folder or the archive of the annotations.
        images: the folder or the archive of the pictures; an empty text looks beside the annotations.

    Raises:
        DataError: there are no pictures.
    """
    one = source.is_file() and not zipfile.is_zipfile(source)
    return Pictures(Path(images) if images else source.parent if one else source)


@dataclass
class Reading:
    """What was read of a source, file by file.

    Args:
        format: a key of `segrnn.polygons.READERS`.
        notes: gets what can't be used.
    """

    format: str
    notes: Notes
    entries: list[Entry] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, source: Source, pictures: Pictures, split: str) -> None:
        """Read a file of annotations. A file that can't be read is a fault, and the others are read.

        Args:
            source: the file.
            pictures: where its pictures are.
            split: the split of its pictures; an empty text leaves it to the file.
        """
        try:
            content: Annotations = read_annotations(source, self.format, self.notes)
        except DataError as error:
            self.faults.append(str(error))
            return
        self.names |= dict.fromkeys(content.names)
        for annotated in content.pictures:
            own = replace(annotated, split=split or annotated.split)
            self.entries.append(Entry(own, source, pictures))

    def class_names(self, order: Sequence[str]) -> list[str]:
        """Return the names of the classes: those in `order`, or those that the files list, or all labels.

        Raises:
            ConfigError: a name in `order` is not the label of an area, and nearly is one.
        """
        annotated = [entry.annotated for entry in self.entries]
        if not order:
            return list(self.names) or list_labels(annotated)
        known = self.names.keys() | {label for each in annotated for shape in each.shapes for label in shape.labels}
        for name in order:
            if name not in known:
                if hint := nearest(name, known - {*order}):
                    raise ConfigError(
                        f"classes has {name!r}, which no area has{hint}; there are {', '.join(sorted(known))}"
                    )
                self.notes.add("classes that no area has", name)
        return list(order)

    def splits(self) -> bool:
        """Tell whether the files say which pictures are for training and which for validation."""
        return {"train", "val"} <= {entry.annotated.split or "train" for entry in self.entries}


def make_labels(names: Iterable[str], background: str) -> LabelSpace:
    """Return the label table of an import: the background, the classes in their order, and void.

    Args:
        names: the names of the classes.
        background: the name of the class of pixels without an area; an empty text makes them void.

    Raises:
        DataError: there is no class, or there are too many of them.
    """
    classes = list(dict.fromkeys(([background] if background else []) + list(names)))
    rows = [
        Label(name, id, id, spread_color(id) if name != background else (0, 0, 0)) for id, name in enumerate(classes)
    ]
    try:
        return LabelSpace("polygons", [*rows, Label("void", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0))])
    except ValueError as error:
        raise DataError(f"{error}: choose the classes with classes=[...]") from error


class FolderWriter:
    """Writes annotated pictures and their masks into a `MaskFolder`.

    Args:
        root: the folder.
        labels: the classes.
        painter: paints the masks.
        by_split: whether each split gets a folder.
        notes: gets what can't be used.
    """

    def __init__(self, root: Path, labels: LabelSpace, painter: Painter, by_split: bool, notes: Notes) -> None:
        self._folder, self._labels, self._painter = MaskFolder(root), labels, painter
        self._by_split, self._notes = by_split, notes
        self._written: dict[PurePosixPath, str] = {}

    def write_classes(self, val: float) -> None:
        """Write ``classes.yaml``.

        Args:
            val: the share of the pictures that is for validation if there are no folders of splits.
        """
        self._folder.write_classes(self._labels, None if self._by_split else val)

    def write(self, entry: Entry) -> None:
        """Write a picture and its mask. The picture is a hard link, or a copy where there are no hard links.

        Raises:
            DataError: the picture is missing, can't be read, has another size than the file of annotations says, has
                no areas where pixels without an area are void, or was written already.
            OutputError: a file can't be written.
        """
        annotated, pictures = entry.annotated, entry.pictures
        name = pictures.find(annotated.picture, entry.source.folder, annotated.other_suffix)
        size = read_size(pictures.file(name))
        _require_size(annotated, size, entry.source.name, name)
        if not annotated.shapes:
            if self._painter.background == IGNORE_INDEX:
                raise DataError(f"{name} has no areas, so its mask would be void")
            self._notes.add("pictures without areas are all background", name)
        split = (annotated.split or "train") if self._by_split else ""
        path = PurePosixPath(split, pictures.shorten(name).removeprefix(f"{split}/"))
        stem = path.with_suffix("")
        if stem in self._written:
            raise DataError(f"{name} is annotated a second time, or has the name of {self._written[stem]}")
        pixels = self._painter.paint(annotated.shapes, size, self._notes, annotated.picture)
        self._folder.write(path, pictures.file(name), pixels)
        self._written[stem] = name

    @property
    def count(self) -> int:
        """Return the number of pictures that were written."""
        return len(self._written)


def _require_size(annotated: Annotated, size: tuple[int, int], source: str, name: str) -> None:
    if annotated.size is None or annotated.size == size:
        return
    (height, width), (other_height, other_width) = size, annotated.size
    turned = (
        ". The tool has turned it by its EXIF mark: store the picture turned" if annotated.size == size[::-1] else ""
    )
    raise DataError(f"{name} is {width} x {height}, but {source} says {other_width} x {other_height}{turned}")


def describe_faults(faults: Sequence[str], most: int = 20) -> list[str]:
    """Return a line for each picture or file that is left out, and one for those that are too many.

    Example:
        >>> describe_faults(["a.jpg is missing", "b.jpg is missing"], most=1)
        ['2 files are left out:', '  a.jpg is missing', '  and 1 more']
    """
    if not faults:
        return []
    more = [f"  and {len(faults) - most} more"] if len(faults) > most else []
    is_are = "is" if len(faults) == 1 else "are"
    return [f"{counted(len(faults), 'file')} {is_are} left out:", *(f"  {fault}" for fault in faults[:most]), *more]
