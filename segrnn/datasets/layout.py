"""Finding the images and masks of a split in any tree, by templates of paths, lists and rules for splits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segrnn.datasets.file_lists import Contents, Row, read_list, read_table, splits_of_table
from segrnn.datasets.splits import Division, Grouping, by_itself, describe_division, divide_names, find_torn
from segrnn.datasets.templates import Match, Template, describe, match_files, nearest_path
from segrnn.errors import DataError
from segrnn.images.storage import File
from segrnn.text import counted, nearest


@dataclass(frozen=True)
class Layout:
    """A description of a tree.

    Args:
        images: the templates of the images' paths.
        masks: the templates of the masks' paths.
        lists: the list of each split, or one CSV file with a column of splits; None if there are no lists.
        division: the rule that gives each sample a split; None if lists or paths say it.
        grouping: the function that returns a sample's group; None if samples have no groups.

    Raises:
        ValueError: nothing or more than one thing says which split an image belongs to.
    """

    images: tuple[Template, ...]
    masks: tuple[Template, ...]
    lists: Mapping[str, str] | str | None = None
    division: Division | None = None
    grouping: Grouping | None = None

    def __post_init__(self) -> None:
        in_images, in_masks = ({template.has_split for template in some} for some in (self.images, self.masks))
        if len(in_images) > 1 or len(in_masks) > 1:
            raise ValueError(f"some templates have {{split}} and others have not: {self}. Write it in all or in none")
        if in_masks == {True} and in_images == {False}:
            raise ValueError(f"masks has {{split}} and images has not: {self}. Write it in both, or in images only")
        told = [self.lists is not None, self.division is not None]
        if all(told):
            raise ValueError("lists and split both say which split an image belongs to: remove one of them")
        if self.division is not None and in_images == {True}:
            raise ValueError(
                f"the template {describe(self.images)} has {{split}}, and split divides the images as well: remove "
                "one of them, or write {name} in place of {split}/{name}"
            )
        if not any(told) and in_images == {False}:
            raise ValueError(
                f"nothing says which split an image belongs to: write {{split}} in images ({describe(self.images)}), "
                "or add lists: {train: train.txt, val: val.txt}, or split: {val: 0.15, by: folder}"
            )

    def __str__(self) -> str:
        return f"images: {describe(self.images)}, masks: {describe(self.masks)}"

    def match(self, files: Mapping[str, File], split: str | None = None) -> tuple[list[Match], list[Match]]:
        """Find the images and masks of one split, or of all splits. See `match_files`."""
        return match_files(files, self.images, self.masks, split)


@dataclass
class Found:
    """The files of a split.

    Args:
        images: the images with their names.
        masks: the masks with their names, also those without an image.
        used: the paths of all files that the layout knows, in any split.
        remarks: lines about what was found.
    """

    images: list[tuple[str, File]] = field(default_factory=list)
    masks: list[tuple[str, File]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)


def find_files(layout: Layout, files: Mapping[str, File], split: str, root: str, beside: Path | None = None) -> Found:
    """Find the images and masks of a split.

    Args:
        layout: the description of the tree.
        files: the tree's files, by their paths.
        split: the name of the split.
        root: the dataset's root, for messages and for lists with whole paths.
        beside: another folder in which lists may lie.

    Raises:
        ValueError: the split does not exist, a group is in two splits, or the samples can't be divided.
        DataError: a list is missing, or one of its lines is wrong.
    """
    if layout.lists is not None:
        return _find_listed(layout, files, split, root, beside)
    if layout.division is not None:
        return _find_divided(layout, layout.division, files, split)
    return _find_by_paths(layout, files, split)


def explain_nothing(layout: Layout, files: Mapping[str, File], split: str) -> str:
    """Explain why a layout finds no images, or no masks for them, with the path that is nearest to the template."""
    anywhere, masks = layout.match(files)
    if not anywhere or not masks:
        kind, templates = ("images", layout.images) if not anywhere else ("masks", layout.masks)
        near = nearest_path(templates, files)
        there = f"the nearest file that is there is {near}" if near else "there are no files"
        return f"{kind}: {describe(templates)} in classes.yaml fits none of {counted(len(files), 'file')}; {there}"
    if splits := sorted({match.split for match in anywhere if match.split is not None} - {split}):
        return f"{describe(layout.images)} finds the splits {', '.join(splits)}{nearest(split, splits)}"
    image = anywhere[0]
    wanted = " or ".join(template.fill(image.name, image.split or split) for template in layout.masks)
    return f"The mask of {image.path} would be {wanted}; there is {nearest_path(layout.masks, files)}"


def _find_by_paths(layout: Layout, files: Mapping[str, File], split: str) -> Found:
    images, masks = layout.match(files, split)
    all_images, all_masks = layout.match(files)
    own = {match.path for match in images}
    elsewhere = {match.name for match in all_images if match.path not in own}
    if not layout.masks[0].has_split:  # a mask without an image belongs to no split, so each split tells it
        masks = [mask for mask in masks if mask.name not in elsewhere - {image.name for image in images}]
    if layout.grouping is not None:
        places = [(layout.grouping(image.name), image.split or "", image.path) for image in all_images]
        _require_whole(places)
    used = {match.path for match in (*images, *masks, *all_images, *all_masks)}
    return Found(_named(images), _named(masks), used)


def _find_divided(layout: Layout, division: Division, files: Mapping[str, File], split: str) -> Found:
    _require_split(split, division.splits, "split")
    images, masks = layout.match(files)
    used = {match.path for match in (*images, *masks)}
    if not images:
        return Found(used=used)
    grouping = layout.grouping or by_itself
    split_of = divide_names([image.name for image in images], grouping, division)
    own = [image for image in images if split_of[image.name] == split]
    # a mask without an image counts for the first split only
    own_masks = [mask for mask in masks if split_of.get(mask.name, division.splits[0]) == split]
    remark = f"{split}: {describe_division(split, split_of, grouping)} ({division})"
    return Found(_named(own), _named(own_masks), used, [remark])


def _find_listed(layout: Layout, files: Mapping[str, File], split: str, root: str, beside: Path | None) -> Found:
    assert layout.lists is not None
    rows, lists = _read_lists(layout, layout.lists, files, root, beside)
    _require_split(split, rows, "lists")
    images, masks = layout.match(files, split)
    named = {row.name for row in rows[split] if row.pair is None}
    pairs = [(row.name, row.pair) for row in rows[split] if row.pair is not None]
    found = Found(
        [*_named([image for image in images if image.name in named]), *((name, pair[0]) for name, pair in pairs)],
        [*_named([mask for mask in masks if mask.name in named]), *((name, pair[1]) for name, pair in pairs)],
    )
    known = {match.file for some in layout.match(files) for match in some} | lists
    known |= {file for some in rows.values() for row in some for file in row.pair or ()}
    found.used = {path for path, file in files.items() if file in known}
    if layout.grouping is not None:
        grouping = layout.grouping
        _require_whole([(grouping(row.name), name, row.place) for name, some in rows.items() for row in some])
    found.remarks += _compare_lists(rows, split, images)
    return found


def _read_lists(
    layout: Layout, lists: Mapping[str, str] | str, files: Mapping[str, File], root: str, beside: Path | None
) -> tuple[dict[str, list[Row]], set[File]]:
    """Return the lines of each split's list, and the files of the lists."""

    def contents(split: str) -> Contents:
        return Contents(root, files, layout.match(files, split)[0])

    if isinstance(lists, str):
        table = _list_file(lists, files, root, beside)
        return {split: read_table(table, contents(split), split) for split in splits_of_table(table)}, {table}
    found = {split: _list_file(path, files, root, beside) for split, path in lists.items()}
    read = {
        split: (read_table if file.suffix.lower() in (".csv", ".tsv") else read_list)(file, contents(split))
        for split, file in found.items()
    }
    return read, set(found.values())


def _list_file(path: str, files: Mapping[str, File], root: str, beside: Path | None) -> File:
    if path in files:
        return files[path]
    if beside is not None and (beside / path).is_file():
        return beside / path
    raise DataError(f"{root} holds no {path}, which lists in classes.yaml names{nearest(path, files)}")


def _compare_lists(rows: Mapping[str, Sequence[Row]], split: str, images: Sequence[Match]) -> list[str]:
    """Describe images that are in no list, and those that are in this split's list and in another."""
    own = {row.name for row in rows[split]}
    listed = Counter(row.name for some in rows.values() for row in some)
    left = sum(image.name not in listed for image in images)
    lines = [f"{left} of {counted(len(images), 'image')} in no list"] if left else []
    for other, some in rows.items():
        if other != split and (both := [row.name for row in some if row.name in own]):
            lines.append(f"{counted(len(both), 'image')} of {split} also in {other}, for example {both[0]}")
    return lines


def _require_split(split: str, splits: Sequence[str] | Mapping[str, object], key: str) -> None:
    if split not in splits:
        raise ValueError(f"{key} has no split {split!r}{nearest(split, splits)}; it has {', '.join(splits)}")


def _require_whole(groups: Sequence[tuple[str, str, str]]) -> None:
    if torn := find_torn(groups):
        raise ValueError(f"{torn}, but a group must stay together: move its images to one split, or change groups")


def _named(matches: Sequence[Match]) -> list[tuple[str, File]]:
    return [(match.name, match.file) for match in matches]
