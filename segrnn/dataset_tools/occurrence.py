"""Finding the classes and colours that labels hold, and the mistakes that explain missing ones."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from segrnn.datasets.files import SegmentationDataset
from segrnn.datasets.statistics import ClassStatistics
from segrnn.images.label_files import open_label, read_colors
from segrnn.images.preprocessing import base_factor
from segrnn.images.reading import Header, is_dark, read_header
from segrnn.labels import IGNORE_INDEX
from segrnn.labels.colors import Color

T = TypeVar("T")

_MOST, _SECONDS = 64, 2.0
"""The most labels that are looked at before a training, and the most seconds for it."""

_FEW = 12
"""The most classes of a dataset for which a class missing from some labels is reported."""

_NAMED = 3
"""The most colours, classes or palettes that are named."""

_NEAR = 8
"""The largest difference, in any channel, at which an unknown colour probably means a class."""


@dataclass(frozen=True)
class Held:
    """The contents of one label file, and whether its image is dark.

    Args:
        name: the name of the sample.
        ids: the number of pixels of each id.
        unknown: the number of pixels of each colour that does not belong to a class; empty if labels are ids.
        palette: the colour in the file's palette for each id in the file; empty without a palette.
        dark: whether the image has 16 bits and the upper 8 are nearly empty. Only the upper 8 are read.
        void: whether all pixels are void.
        turned: whether the image is turned as its EXIF tag says, because only then it fits the label.
        size: height and width.
    """

    name: str
    ids: Mapping[int, int]
    unknown: Mapping[Color, int] = field(default_factory=dict)
    palette: Mapping[int, Color] = field(default_factory=dict)
    dark: bool = False
    void: bool = False
    turned: bool = False
    size: tuple[int, int] = (0, 0)


def look(dataset: SegmentationDataset, index: int) -> Held:
    """Look at a label and at the header of its image.

    Raises:
        DataError: the label can't be read, or holds foreign ids.
    """
    pair = dataset.pairs[index]
    ids = dataset.read_ids(pair.label)
    void = bool((dataset.encode(pair.label, ids) == IGNORE_INDEX).all())
    counts = np.bincount(ids.ravel(), minlength=256)
    held = {int(id): int(counts[id]) for id in np.flatnonzero(counts)}
    unknown: Counter[Color] = Counter()
    palette: dict[int, Color] = {}
    if pair.label.suffix.lower() != ".npy":
        if dataset.color_code is not None:
            colors, pixels = np.unique(
                read_colors(pair.label, dataset.max_pixels).reshape(-1, 3), axis=0, return_counts=True
            )
            for (red, green, blue), count in zip(colors.tolist(), pixels.tolist(), strict=True):
                if (red, green, blue) not in dataset.color_code.ids:
                    unknown[red, green, blue] = count
        else:
            palette = _palette(dataset, index, held)
    header = Header() if pair.image.suffix.lower() == ".npy" else read_header(pair.image)
    dark = header.bits > 8 and is_dark(dataset.read_pixels(pair.image))
    turned = header.orientation > 4 and header.size != ids.shape == header.size[::-1]
    height, width = ids.shape
    return Held(pair.name, held, unknown, palette, dark, void, turned, (height, width))


def _palette(dataset: SegmentationDataset, index: int, ids: Mapping[int, int]) -> dict[int, Color]:
    picture = open_label(dataset.pairs[index].label, dataset.max_pixels).picture
    colors = (picture.getpalette("RGB") if picture.mode == "P" else None) or []
    return {id: (colors[3 * id], colors[3 * id + 1], colors[3 * id + 2]) for id in ids if 3 * id + 2 < len(colors)}


def look_at_some(dataset: SegmentationDataset) -> list[Held]:
    """Look at labels spread over a split, for about two seconds at most.

    Raises:
        DataError: a label can't be read, or holds foreign ids.
    """
    places = np.unique(np.linspace(0, len(dataset) - 1, min(_MOST, len(dataset))).round().astype(int))
    start, found = time.monotonic(), []
    for place in np.random.default_rng(0).permutation(places):  # in random order, so that the first ones are spread
        found.append(look(dataset, int(place)))
        if time.monotonic() - start > _SECONDS:
            break
    return sorted(found, key=lambda held: held.name)


def describe_occurrence(dataset: SegmentationDataset, found: Sequence[Held]) -> list[str]:
    """Describe probable mistakes in the labels of a split, one line each.

    Args:
        dataset: the split.
        found: the contents of all its labels, or of some.
    """
    if not found:
        return []
    labels = _count(dataset, found, "labels")
    lines = [*_absent(dataset, found, labels), *_unknown_colors(dataset, found, labels)]
    lines += _contradictions(dataset, found)
    if dark := [held.name for held in found if held.dark]:
        lines.append(
            f"{len(dark)} of the images have 16 bits, e.g. {dark[0]}. Only the upper 8 bits are read, and these are "
            "nearly empty: scale the images to 8 bits"
        )
    if turned := [held.name for held in found if held.turned]:
        lines.append(
            f"{len(turned)} of the images are turned as their EXIF tags say, e.g. {turned[0]}, because only then they "
            "fit their labels"
        )
    if void := [held.name for held in found if held.void]:
        lines.append(f"{len(void)} of the {labels} hold only void, e.g. {void[0]}: they teach nothing")
    return lines


def describe_small(
    dataset: SegmentationDataset, found: Sequence[Held], crop: Sequence[int], base_size: Sequence[int] | None
) -> list[str]:
    """Describe images that are smaller than a crop, in one line.

    Args:
        dataset: the split for training.
        found: the contents of all its labels, or of some.
        crop: height and width of a crop.
        base_size: the short and the long side of the base size, into which `base_factor` scales every image.
    """
    small = [held for held in found if _is_smaller(held.size, crop, base_size)]
    if not small:
        return []
    height, width = small[0].size
    return [
        f"{len(small)} of the {_count(dataset, found, 'images')} are smaller than data.crop=[{crop[0]},{crop[1]}]: "
        f"{small[0].name}, for example, is {height} high and {width} wide{' before data.base_size' * bool(base_size)}. "
        "The rest of their crops is void"
    ]


def _is_smaller(size: Sequence[int], crop: Sequence[int], base_size: Sequence[int] | None) -> bool:
    factor = base_factor(size, base_size)
    return any(round(side * factor) < needed for side, needed in zip(size, crop, strict=True))


def _count(dataset: SegmentationDataset, found: Sequence[Held], things: str) -> str:
    of_all = "" if len(found) == len(dataset) else f" that were looked at, of {len(dataset)}"
    return f"{len(found)} {dataset.split} {things}{of_all}"


def _absent(dataset: SegmentationDataset, found: Sequence[Held], labels: str) -> list[str]:
    """Name classes that occur nowhere, with the ids that their pixels may have instead."""
    ids = _total(held.ids for held in found)
    absent = [label for label in dataset.labels.classes if label.id not in ids]
    if not absent or (len(found) < len(dataset) and dataset.labels.num_classes > _FEW):
        return []
    line = _say_absent([label.name for label in absent], labels)
    void = {label.id for label in dataset.labels.labels if label.train_id == IGNORE_INDEX}
    ignored = {id: count for id, count in ids.items() if id in void}
    if ignored and dataset.color_code is None:
        most = max(ignored, key=lambda id: ignored[id])
        line += f"; {100 * ignored[most] / sum(ids.values()):.1f} % of their pixels hold {most}, which is ignored"
        if most == IGNORE_INDEX and ids.keys() <= {0, IGNORE_INDEX}:
            line += f": if these are masks of 0 and 255, give {absent[0].name} `id: 255` and write `ignore: []`"
    return [line]


def _say_absent(names: Sequence[str], labels: str) -> str:
    named = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    several = len(names) > 1
    return f"class{'es' if several else ''} {named}{more} occur{'' if several else 's'} in none of the {labels}"


def describe_counts(dataset: SegmentationDataset, statistics: ClassStatistics) -> list[str]:
    """Name the classes of which a split has no pixel, in one line.

    Args:
        dataset: the split.
        statistics: the numbers of pixels in all its labels.
    """
    absent = [name for name, pixels in zip(statistics.class_names, statistics.pixels, strict=True) if not pixels]
    return [_say_absent(absent, f"{len(dataset)} {dataset.split} labels")] if absent else []


def _unknown_colors(dataset: SegmentationDataset, found: Sequence[Held], labels: str) -> list[str]:
    """Name colours that belong to no class, with the nearest class."""
    unknown = _total(held.unknown for held in found)
    if dataset.color_code is None or not unknown:
        return []
    pixels = sum(sum(held.ids.values()) for held in found)
    rest = next((label.name for label in dataset.labels.classes if label.id == dataset.color_code.unknown), None)
    fate = "are ignored" if rest is None else f"count as {rest}"
    named = [f"{color} {_nearest_class(dataset, color)}({count})" for color, count in unknown.most_common(_NAMED)]
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    return [
        f"{100 * sum(unknown.values()) / pixels:.1f} % of the pixels of the {labels} have a colour that no class has, "
        f"and {fate}: {', '.join(named)}{more}"
    ]


def _nearest_class(dataset: SegmentationDataset, color: Color) -> str:
    distance, name = min(
        (max(abs(a - b) for a, b in zip(color, label.color, strict=True)), label.name)
        for label in dataset.labels.classes
    )
    return f"{distance} off {name} " if distance <= _NEAR else ""


def _contradictions(dataset: SegmentationDataset, found: Sequence[Held]) -> list[str]:
    """Name palettes that differ from one another, or give an id the colour of another class."""
    first: dict[int, tuple[Color, str]] = {}
    lines: dict[str, None] = {}
    of_class = {label.color: label for label in dataset.labels.classes}
    for held in found:
        for id, color in held.palette.items():
            known, name = first.setdefault(id, (color, held.name))
            if known != color:
                lines[f"palettes contradict each other: {id} is {known} in {name} and {color} in {held.name}"] = None
            other = of_class.get(color)
            if other is not None and other.id != id and any(each.id == id for each in dataset.labels.classes):
                lines[
                    f"the palette of {held.name} shows {id} in the colour of class {other.name}, whose id is "
                    f"{other.id}: are the classes numbered in another way there?"
                ] = None
    more = [f"and {len(lines) - _NAMED} more such lines about palettes"] if len(lines) > _NAMED else []
    return [*list(lines)[:_NAMED], *more]


def _total(counts: Iterable[Mapping[T, int]]) -> Counter[T]:
    total: Counter[T] = Counter()
    for each in counts:
        total.update(each)
    return total
