"""Describing the files that lie beside the pictures of a folder or an archive and are not read."""

from collections import Counter
from collections.abc import Container, Iterable
from pathlib import PurePosixPath

from segrnn.images.reading import HEIC_HINT, HEIC_SUFFIXES, picture_suffixes
from segrnn.images.storage import Listing

_KINDS = 6
"""The number of kinds that are named. They are the most frequent ones."""


def describe_passed_over(listing: Listing, read: Container[str]) -> list[str]:
    """Describe files of a folder that are not read, and names of an archive that are changed, one line for each.

    Args:
        listing: the contents of the folder.
        read: the names of the files that are read.

    Example:
        >>> listing = Listing({"a.png": ..., "b.txt": ..., "c": ...}, frozenset({".Trash-1000"}), {})
        >>> describe_passed_over(listing, read={"a.png"})
        ['2 other files are passed over: 1 .txt, 1 without a suffix', '1 hidden one is passed over: 1 .Trash-1000']
    """
    others = [_kind(name) for name in listing.files if name not in read]
    hidden = [_hidden_kind(name) for name in listing.hidden]
    lines = []
    if others:
        lines.append(f"{_count(others, 'other file is', 'other files are')} passed over: {_name_kinds(others)}")
    if hidden:
        lines.append(f"{_count(hidden, 'hidden one is', 'hidden ones are')} passed over: {_name_kinds(hidden)}")
    if listing.renamed:
        name, raw = min(listing.renamed.items())
        which = "1 name of the archive is" if len(listing.renamed) == 1 else f"{len(listing.renamed)} names are"
        lines.append(
            f"{which} read in a form that stays inside the folder and works on any system: {raw!r} becomes {name}"
        )
    return lines


def _count(kinds: list[str], one: str, many: str) -> str:
    return f"{len(kinds)} {one if len(kinds) == 1 else many}"


def _name_kinds(kinds: Iterable[str]) -> str:
    counts = Counter(kinds)
    named = [
        f"{count} {kind}" + (f" ({HEIC_HINT})" if kind in HEIC_SUFFIXES and kind not in picture_suffixes() else "")
        for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    more = sum(sorted(counts.values(), reverse=True)[_KINDS:])
    return ", ".join(named[:_KINDS] + ([f"{more} of other kinds"] if more else []))


def _kind(name: str) -> str:
    return PurePosixPath(name).suffix.lower() or "without a suffix"


def _hidden_kind(name: str) -> str:
    part = PurePosixPath(name).name
    return "._*" if part.startswith("._") else part
