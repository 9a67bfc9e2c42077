"""Templates of paths, which say where the images and the masks of a dataset lie."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from segrnn.images.reading import picture_suffixes
from segrnn.images.storage import File
from segrnn.text import nearest

_PLACEHOLDERS = {"name": "{name}", "split": "{split}"}
_PATTERNS = {"{name}": "(?P<name>.+?)", "{split}": "(?P<split>[^/]+?)", "{group}": "(?P<group>.+?)", "*": "[^/]*"}
"""The pattern of each part of a template. Names take as little as fits, so a fixed part behind them ends them."""


@dataclass(frozen=True)
class Template:
    """A path with places for a sample's name and, if it has them, for the split and for any characters.

    Args:
        text: the path from the dataset's root. ``{name}`` stands for the sample's name, with or without folders,
            ``{split}`` for the split, and ``*`` for any characters of one folder's or file's name. The suffix may be in
            small or capital letters.

    Raises:
        ValueError: the text has no ``{name}``, or has a place that is not known.

    Example:
        >>> template = Template("gt/{split}/{name}_mask.png")
        >>> template.match("gt/val/day1/7_mask.PNG")
        {'split': 'val', 'name': 'day1/7'}
        >>> template.match("gt/val/notes.txt") is None, template.fill("7", "val")
        (True, 'gt/val/7_mask.png')
    """

    text: str

    def __post_init__(self) -> None:
        for place in re.findall(r"\{([^{}]*)\}", self.text):
            if place not in _PLACEHOLDERS:
                raise ValueError(
                    f"the template {self.text!r} has {{{place}}}{nearest(place, _PLACEHOLDERS)}; it may have "
                    "{name}, {split} and *"
                )
        if "{name}" not in self.text:
            raise ValueError(
                f"the template {self.text!r} has no {{name}}, which stands for the part that an image and its mask "
                "have in common"
            )

    @property
    def has_split(self) -> bool:
        """Return whether the path says which split a file belongs to."""
        return "{split}" in self.text

    @property
    def fixed(self) -> int:
        """Return the number of characters that every path has. A template with more of them is more exact."""
        return len(re.sub(r"\{[^{}]*\}|\*", "", self.text))

    def match(self, path: str, split: str | None = None) -> dict[str, str] | None:
        """Return the name and the split that a path holds, or None if the path is another one.

        Args:
            path: the path from the dataset's root.
            split: the split that is looked for. It decides what belongs to the name if a path could be read in two
                ways.
        """
        found = _compile(self.text, split).fullmatch(path)
        if found is None or (self.text.endswith("*") and not is_readable(path)):
            return None
        return found.groupdict()

    def fill(self, name: str, split: str) -> str:
        """Return the path of a sample's file. A ``*`` stays in it."""
        return self.text.replace("{name}", name).replace("{split}", split)


@lru_cache(maxsize=64)
def _compile(text: str, split: str | None) -> re.Pattern[str]:
    """Return the regular expression of a template. The suffix may be in small or capital letters."""
    path, dot, suffix = text.rpartition(".")
    if not dot or "/" in suffix or "{" in suffix:
        return re.compile(compile_places(text, split))
    ending = "[^./]+" if suffix == "*" else compile_places(suffix)
    return re.compile(rf"{compile_places(path, split)}(?i:\.{ending})")


def compile_places(text: str, split: str | None = None) -> str:
    """Return the regular expression of a text with places. A place that occurs again has the same content again.

    Args:
        text: the text with ``{name}``, ``{split}``, ``{group}`` and ``*``.
        split: the split that ``{split}`` stands for. Without it, any split fits.

    Example:
        >>> re.fullmatch(compile_places("{group}-*"), "book-007")["group"]
        'book'
    """
    seen: set[str] = set()
    parts = []
    for part in re.split(r"(\{[^{}]*\}|\*)", text):
        pattern = _PATTERNS.get(part, re.escape(part))
        if part == "{split}" and split is not None:
            pattern = f"(?P<split>{re.escape(split)})"
        parts.append(f"(?P={part[1:-1]})" if part in seen else pattern)
        seen |= {part} & (_PATTERNS.keys() - {"*"})
    return "".join(parts)


def is_readable(path: str) -> bool:
    """Return whether a file's suffix is one of a picture or of a packed array.

    Example:
        >>> is_readable("a.PNG"), is_readable("a.npy"), is_readable("a.json")
        (True, True, False)
    """
    return PurePosixPath(path).suffix.lower() in picture_suffixes() | {".npy"}


class Match(NamedTuple):
    """A file that a template fits: its sample's name, its split if the path says it, its path, and the file."""

    name: str
    split: str | None
    path: str
    file: File


def match_files(
    files: Mapping[str, File], images: Sequence[Template], masks: Sequence[Template], split: str | None = None
) -> tuple[list[Match], list[Match]]:
    """Find the images and the masks among files. The most exact template that fits decides what a file is.

    So ``{name}.png`` may stand for images beside masks called ``{name}_mask.png``.

    Args:
        files: the files, by their paths from the dataset's root.
        images: the templates of images.
        masks: the templates of masks.
        split: the split that is looked for. Without it, files of all splits are found.

    Raises:
        ValueError: a file fits a template of images and one of masks, and neither is more exact.
    """
    kinds: tuple[list[Match], list[Match]] = [], []
    templates = sorted(
        [(template, kind) for kind, some in enumerate((images, masks)) for template in some],
        key=lambda pair: -pair[0].fixed,
    )
    for path, file in files.items():
        fitting = ((template, kind, template.match(path, split)) for template, kind in templates)
        template, kind, found = next((fit for fit in fitting if fit[2] is not None), (None, 0, None))
        if template is None or found is None:
            continue
        for other, other_kind in templates:
            if other_kind != kind and other.fixed == template.fixed and other.match(path, split) is not None:
                raise ValueError(
                    f"the file {path} fits images: {describe(images)} as well as masks: {describe(masks)}. Write what "
                    "distinguishes them into the templates, for example a folder or an ending"
                )
        kinds[kind].append(Match(found["name"], found.get("split"), path, file))
    return kinds


def describe(templates: Iterable[Template]) -> str:
    """Return templates as a text for messages."""
    return " or ".join(template.text for template in templates)


def nearest_path(templates: Sequence[Template], paths: Iterable[str]) -> str:
    """Return the path that is most like a template, or an empty text if there are no paths.

    One path of each folder and suffix is looked at, so this is quick for any number of files.

    Example:
        >>> nearest_path([Template("photo/{name}.jpg")], ["photos/1.jpg", "photos/2.jpg", "gt/1.png"])
        'photos/1.jpg'
    """
    of_kind: dict[tuple[PurePosixPath, str], str] = {}
    for path in paths:
        place = PurePosixPath(path)
        of_kind.setdefault((place.parent, place.suffix), path)
    texts = [re.sub(r"\{[^{}]*\}|\*", "", template.text) for template in templates]
    close = [near for text in texts for near in get_close_matches(text, of_kind.values(), n=1, cutoff=0)]
    return close[0] if close else ""
