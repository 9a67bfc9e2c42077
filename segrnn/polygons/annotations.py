"""What files of annotations say: the areas of each picture, and notes on what can't be used."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from segrnn.images.storage import File
from segrnn.polygons.rle import Size
from segrnn.polygons.shapes import Area, AreaError

_NAMED = 5
"""The number of places that a line of notes names."""

DAMAGE = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What Python raises where a file has other values than its format promises."""


@dataclass(frozen=True)
class Source:
    """A file of annotations and the files around it.

    Args:
        name: the path of the file from the root of the source.
        files: all files of the source, by their paths from its root.
    """

    name: str
    files: Mapping[str, File]

    @property
    def folder(self) -> str:
        """Return the file's folder, from the root of the source."""
        return PurePosixPath(self.name).parent.as_posix()

    @property
    def stem(self) -> str:
        """Return the file's name without its suffix."""
        return PurePosixPath(self.name).stem


@dataclass(frozen=True)
class Shape:
    """An area with a label.

    Args:
        labels: the names of its class, from the exact one to the most general one. The first that is a class counts.
        area: the area.
        layer: areas of higher layers lie over those of lower ones. In one layer, later ones lie over earlier ones.

    Raises:
        AreaError: the label is empty.
    """

    labels: tuple[str, ...]
    area: Area
    layer: int = 0

    def __post_init__(self) -> None:
        if not self.labels[0].strip():
            raise AreaError("areas without a label")


@dataclass(frozen=True)
class Annotated:
    """The annotations of a picture.

    Args:
        picture: the path of the picture as the file of annotations gives it.
        shapes: the areas.
        size: the picture's height and width as the file gives them; None if it does not.
        split: the name of the split that the picture belongs to, or an empty text.
        other_suffix: whether a picture of another suffix may be taken, as a scan is often converted.
    """

    picture: str
    shapes: list[Shape]
    size: Size | None = None
    split: str = ""
    other_suffix: bool = False


@dataclass(frozen=True)
class Annotations:
    """The content of a file of annotations.

    Args:
        pictures: the pictures with their areas.
        names: the names of all classes, in their order, if the file lists them.
    """

    pictures: list[Annotated]
    names: tuple[str, ...] = ()


@dataclass
class Notes:
    """What can't be used as it is, by the reason.

    Example:
        >>> notes = Notes()
        >>> for name in ("a.jpg", "a.jpg", "b.jpg"):
        ...     notes.add("boxes are left out", name)
        >>> notes.lines()
        ['boxes are left out: 3 (a.jpg, b.jpg)']
    """

    _places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, place: str) -> None:
        """Note that something at a place can't be used as it is.

        Args:
            reason: which things these are and what becomes of them. Equal reasons are counted together.
            place: the picture or the file.
        """
        self._places.setdefault(reason, []).append(place)

    @contextmanager
    def taking(self, place: str) -> Iterator[None]:
        """Note an area that can't be used, and go on after it."""
        try:
            yield
        except AreaError as error:
            self.add(f"{error} are left out", place)
        except DAMAGE:
            self.add("areas whose entries are damaged are left out", place)

    def lines(self) -> list[str]:
        """Return a line for each reason, with the number of times and the first places."""
        lines = []
        for reason, places in self._places.items():
            named = list(dict.fromkeys(places))
            more = ", ..." if len(named) > _NAMED else ""
            lines.append(f"{reason}: {len(places)} ({', '.join(named[:_NAMED])}{more})")
        return lines


def list_labels(pictures: Iterable[Annotated]) -> list[str]:
    """Return the most general labels of all areas, in alphabetical order."""
    return sorted({shape.labels[-1] for picture in pictures for shape in picture.shapes})
