"""The classes of a user's own masks: which ids or colours mean which class."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from segrnn.labels import IGNORE_INDEX, ColorCode, Label, LabelSpace
from segrnn.labels.colors import Color, spread_color
from segrnn.labels.space import ByteArray
from segrnn.text import nearest

_CLASS_KEYS = ("name", "id", "ids", "color", "colors")


class ClassTable(NamedTuple):
    """The classes, and how masks are read as their ids.

    Args:
        labels: the label table. A class has the first of its ids there, which is also written into new masks.
        color_code: the colours that stand for ids, if masks are pictures in colours.
        merged: for each id in a mask, the id that it is read as, ``(256,)``; None if ids stay as they are.
        ids: all ids that a mask may hold; empty if any id is possible.
    """

    labels: LabelSpace
    color_code: ColorCode | None
    merged: ByteArray | None
    ids: tuple[int, ...]


class _Class(NamedTuple):
    name: str
    ids: tuple[int, ...]
    colors: tuple[Color, ...]


def parse_classes(
    name: str, rows: Sequence[Any], ignore: Any = None, other: str | None = None, in_colors: bool = False
) -> ClassTable:
    """Make the table of classes.

    Args:
        name: the name of the label table.
        rows: for each class its name, or a mapping with its ``name``, ``id`` or ``ids``, ``color`` or ``colors``.
        ignore: the ids, or in masks of colours also the colours, that are neither trained nor scored. By default it is
            255, unless a class has this id.
        other: the class that gets all ids or colours that are not listed. By default such ids are an error, and such
            colours are ignored.
        in_colors: whether masks are pictures in the colours of the classes.

    Raises:
        ValueError: a key is unknown or missing, or names, ids or colours are not possible.

    Example:
        >>> table = parse_classes("toy", [{"name": "flat", "ids": [7, 8]}, {"name": "rest", "id": 0}], other="rest")
        >>> table.merged[[7, 8, 9, 0, 255]].tolist()
        [7, 7, 0, 0, 255]
    """
    classes = [_parse_class(row, place, in_colors) for place, row in enumerate(rows)]
    names = [each.name for each in classes]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"class names must be unique, got {repeated} more than once")
    if other is not None and other not in names:
        raise ValueError(f"other is {other!r}{nearest(str(other), names)}; it must be one of the classes {names}")
    ids, colors = _parse_ignore(ignore, {id for each in classes for id in each.ids}, in_colors)
    _require_one_owner("id", [*((each.name, each.ids) for each in classes), ("ignore", ids)])
    labels = [Label(each.name, each.ids[0], place, each.colors[0]) for place, each in enumerate(classes)]
    space = LabelSpace(name, [*labels, *(Label(f"ignored {id}", id, IGNORE_INDEX, (0, 0, 0)) for id in ids)])
    rest = next((each.ids[0] for each in classes if each.name == other), None)
    if in_colors:
        _require_one_owner("color", [*((each.name, each.colors) for each in classes), ("ignore", colors)])
        return ClassTable(space, _color_code(classes, ids, colors, rest), None, ())
    listed = [*(id for each in classes for id in each.ids), *ids]
    return ClassTable(space, None, _merge(classes, ids, rest), () if rest is not None else tuple(sorted(listed)))


def check_keys(mapping: Mapping[Any, Any], known: Iterable[str], owner: str) -> None:
    """Refuse keys that are not known.

    Args:
        mapping: the mapping.
        known: the keys that it may have.
        owner: the words for the mapping, for the message.

    Raises:
        ValueError: a key is unknown. The message has the nearest known one.
    """
    known = tuple(known)
    if unknown := sorted(map(str, mapping.keys() - set(known))):
        raise ValueError(f"unknown keys {unknown}{nearest(unknown[0], known)}; {owner} has {', '.join(known)}")


def _parse_class(row: Any, place: int, in_colors: bool) -> _Class:
    if isinstance(row, str):
        row = {"name": row}
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise ValueError(f"class {place} is {row!r}; it needs a name")
    title = f"class {row['name']}"
    try:
        check_keys(row, _CLASS_KEYS, "a class")
    except ValueError as error:
        raise ValueError(f"{title}: {error}") from None
    if in_colors and not row.keys() & {"color", "colors"}:
        raise ValueError(f"{title}: masks is colors, so the class needs a color")
    ids = [_parse_id(id, "id") for id in _one_or_several(row, "id", place, title)]
    colors = [_parse_color(color, title) for color in _one_or_several(row, "color", spread_color(place), title)]
    return _Class(row["name"], tuple(ids), tuple(colors))


def _one_or_several(row: Mapping[str, Any], key: str, usual: Any, title: str) -> list[Any]:
    """Return the value of a key in a list, or the values of its plural."""
    several = f"{key}s"
    if several not in row:
        return [row.get(key, usual)]
    if key in row:
        raise ValueError(f"{title} has {key} and {several}: write all of them in {several}")
    if not isinstance(row[several], list) or not row[several]:
        raise ValueError(f"{title}: {several} is {row[several]!r}; it must be a list of one {key} or more")
    return list(row[several])


def _parse_id(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise ValueError(f"{key} holds {value!r}; it must hold whole numbers from 0 to 255")
    return value


def _parse_color(value: Any, title: str) -> Color:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError(f"{title}: color is {value!r}; it must be three numbers")
    red, green, blue = (_parse_id(part, "color") for part in value)
    return red, green, blue


def _parse_ignore(ignore: Any, taken: set[int], in_colors: bool) -> tuple[list[int], list[Color]]:
    """Return the ids and the colours that are ignored. Colours get an id that no class has."""
    if ignore is None:
        return ([] if IGNORE_INDEX in taken else [IGNORE_INDEX]), []
    if not isinstance(ignore, list):
        raise ValueError(f"ignore is {ignore!r}; it needs a list of ids" + (" or colours" if in_colors else ""))
    colors = [_parse_color(value, "ignore") for value in ignore if in_colors and isinstance(value, list)]
    ids = [_parse_id(value, "ignore") for value in ignore if not (in_colors and isinstance(value, list))]
    if colors and not ids:
        ids = [max(set(range(256)) - taken)]
    return ids, colors


def _require_one_owner(what: str, owners: Iterable[tuple[str, Iterable[Any]]]) -> None:
    """Refuse an id or a colour that two classes have, or a class and ``ignore``."""
    first: dict[Any, str] = {}
    for owner, values in owners:
        for value in values:
            other = first.get(value)
            if other is not None:
                shown = list(value) if isinstance(value, tuple) else value
                where = f"twice in {owner}" if other == owner else f"in {other} and in {owner}"
                raise ValueError(f"the {what} {shown} is {where}; it can have one meaning: remove it from one of them")
            first[value] = owner


def _merge(classes: Sequence[_Class], ignored: Sequence[int], rest: int | None) -> ByteArray | None:
    if rest is None and all(len(each.ids) == 1 for each in classes):
        return None
    table = np.arange(256, dtype=np.uint8) if rest is None else np.full(256, rest, np.uint8)
    table[list(ignored)] = ignored
    for each in classes:
        table[list(each.ids)] = each.ids[0]
    return table


def _color_code(
    classes: Sequence[_Class], ignored: Sequence[int], ignored_colors: Sequence[Color], rest: int | None
) -> ColorCode:
    if rest is None and not ignored:
        raise ValueError("masks is colors, so ignore needs an id for colours that no class has")
    ids = {color: each.ids[0] for each in classes for color in each.colors}
    ids |= {color: ignored[0] for color in ignored_colors}  # noqa: C420  # without colours, there may be no id
    return ColorCode(ids, unknown=ignored[0] if rest is None else rest)
