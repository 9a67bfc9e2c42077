"""Dividing samples into splits by their names, so that the files alone decide who trains and who is scored."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Protocol

from segrnn.datasets.templates import compile_places
from segrnn.text import counted

TRAIN, VAL = "train", "val"


def by_folder(name: str) -> str:
    """Return the folder of a sample's name, which its whole folder shares.

    Example:
        >>> by_folder("day1/street/7"), by_folder("7")
        ('day1/street', '')
    """
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent


def by_prefix(name: str) -> str:
    """Return a sample's name without the number at its end.

    Example:
        >>> by_prefix("book-007"), by_prefix("drive_3_000120"), by_prefix("cover")
        ('book', 'drive_3', 'cover')
    """
    return re.sub(r"[-_. ]*\d+$", "", name)


def by_itself(name: str) -> str:
    """Return a sample's name: the sample belongs to no other."""
    return name


@dataclass(frozen=True)
class GroupTemplate:
    """The group of a sample, cut out of its name.

    Args:
        text: the sample's name with ``{group}`` in place of the group, and ``*`` for any characters except ``/``.

    Raises:
        ValueError: the text has no ``{group}``. On a call: the template does not fit a name.

    Example:
        >>> GroupTemplate("*/{group}-*")("train/book-007")
        'book'
    """

    text: str

    def __post_init__(self) -> None:
        if re.findall(r"\{[^{}]*\}", self.text) != ["{group}"]:
            raise ValueError(f"groups is {self.text!r}; it needs one {{group}} and may have *, such as '{{group}}-*'")

    def __call__(self, name: str) -> str:
        """Return the group of a sample."""
        found = re.fullmatch(compile_places(self.text), name)
        if found is None:
            raise ValueError(
                f"groups is {self.text!r}, which does not fit the name {name!r}: write what lies around the group as *"
            )
        return found["group"]


Grouping = Callable[[str], str]
"""A function that returns the group of a sample's name. The samples of a group stay together."""


class Division(Protocol):
    """A rule that gives a split to each group."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits."""
        ...

    def divide(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return the split of each group.

        Args:
            sizes: the number of samples of each group.

        Raises:
            ValueError: there are too few groups.
        """
        ...


@dataclass(frozen=True)
class Shares:
    """A division into ``train`` and other splits, which hold about the given shares of the samples.

    Groups are taken in the order of a hash of their names. Files that are added later change few places.

    Args:
        shares: the share of each split except ``train``, which gets the rest.
        seed: another seed gives another order.

    Raises:
        ValueError: a share is not between 0 and 1, or all of them are more than 1.

    Example:
        >>> Shares({"val": 0.25}).divide({"a": 3, "b": 3, "c": 3, "d": 3})
        {'a': 'train', 'c': 'train', 'd': 'train', 'b': 'val'}
    """

    shares: Mapping[str, float]
    seed: int = 0

    def __post_init__(self) -> None:
        for split, share in self.shares.items():
            if not 0 < share <= 1:
                raise ValueError(
                    f"split has {split}: {share}; a share is more than 0 and at most 1, such as 0.15 for 15 of 100"
                )
        if sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError(f"the shares in split are {sum(self.shares.values()):g} together; at most 1 can be given")

    def __str__(self) -> str:
        return ", ".join(f"{split} {share:g}" for split, share in self._ordered) + f", seed {self.seed}"

    @property
    def splits(self) -> tuple[str, ...]:
        """Return ``train``, if something is left for it, and the splits with shares."""
        return (*((TRAIN,) if self._rest else ()), *(split for split, _ in self._ordered))

    @property
    def _ordered(self) -> list[tuple[str, float]]:
        """Return the shares, ``val`` first: it stays the same if another split is added, and in any order of keys."""
        return sorted(self.shares.items(), key=lambda pair: (pair[0] != VAL, pair[0]))

    @property
    def _rest(self) -> bool:
        return sum(self.shares.values()) < 1 - 1e-9

    def divide(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return the split of each group. Each split gets one group or more."""
        _require_groups(sizes, self.splits)
        left, total = _shuffled(sizes, self.seed)[::-1], sum(sizes.values())
        found: dict[str, str] = {}
        behind = len(self.splits)  # each split behind the current one needs a group
        for split, share in self._ordered:
            behind -= 1
            taken = 0
            while len(left) > behind and (not behind or not taken or taken + sizes[left[-1]] / 2 < share * total):
                taken += sizes[left[-1]]
                found[left.pop()] = split
        return {**dict.fromkeys(sorted(left), TRAIN), **found}


@dataclass(frozen=True)
class Folds:
    """A division into folds of about one size. One fold is ``val``, and ``train`` is all others.

    Args:
        folds: the number of folds.
        fold: the fold that is ``val``, from 0.
        seed: another seed gives another order.

    Raises:
        ValueError: there are fewer than two folds, or `fold` is not one of them.

    Example:
        >>> [Folds(3, fold).divide({"a": 2, "b": 2, "c": 2}) for fold in (0, 1)]
        [{'b': 'val', 'a': 'train', 'c': 'train'}, {'b': 'train', 'a': 'val', 'c': 'train'}]
    """

    folds: int
    fold: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"split has folds: {self.folds}; it needs 2 or more")
        if not 0 <= self.fold < self.folds:
            raise ValueError(
                f"split has fold: {self.fold} of folds: {self.folds}; fold must be from 0 to {self.folds - 1}"
            )

    def __str__(self) -> str:
        return f"fold {self.fold} of {self.folds}, seed {self.seed}"

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the two splits."""
        return TRAIN, VAL

    def divide(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return the split of each group. Each fold gets one group or more."""
        _require_groups(sizes, [f"fold {fold}" for fold in range(self.folds)])
        groups, total = _shuffled(sizes, self.seed), sum(sizes.values())
        before, fold, found = 0.0, -1, {}
        for place, group in enumerate(groups):
            middle = before + sizes[group] / 2
            before += sizes[group]
            # the folds behind this one need a group each, and no fold is left out
            least = self.folds - (len(groups) - place)
            fold = min(max(int(middle * self.folds / total), least), fold + 1)
            found[group] = VAL if fold == self.fold else TRAIN
        return found


def divide_names(names: Iterable[str], grouping: Grouping, division: Division) -> dict[str, str]:
    """Return the split of each sample.

    Args:
        names: the names of all samples.
        grouping: the function that returns a sample's group.
        division: the rule that gives a split to each group.

    Raises:
        ValueError: there are too few groups.
    """
    group_of = {name: grouping(name) for name in names}
    split_of = division.divide(Counter(group_of.values()))
    return {name: split_of[group] for name, group in group_of.items()}


def describe_division(split: str, split_of: Mapping[str, str], grouping: Grouping) -> str:
    """Describe how much of the samples a split has.

    Example:
        >>> describe_division("val", {"a-1": "val", "a-2": "val", "b-1": "train"}, by_prefix)
        '2 of 3 images, 1 of 2 groups'
    """
    own = [name for name, other in split_of.items() if other == split]
    groups, all_groups = {grouping(name) for name in own}, {grouping(name) for name in split_of}
    return f"{len(own)} of {counted(len(split_of), 'image')}, {len(groups)} of {counted(len(all_groups), 'group')}"


def find_torn(groups: Iterable[tuple[str, str, str]]) -> str:
    """Describe the first group that is in two splits. Return an empty text if there is none.

    Args:
        groups: for each sample, its group, its split, and its place for the message.

    Example:
        >>> find_torn([("book", "train", "train.txt line 1"), ("book", "val", "val.txt line 3")])
        "the group 'book' is in train (train.txt line 1) and in val (val.txt line 3)"
    """
    first: dict[str, tuple[str, str]] = {}
    for group, split, place in groups:
        other, its_place = first.setdefault(group, (split, place))
        if other != split:
            return f"the group {group!r} is in {other} ({its_place}) and in {split} ({place})"
    return ""


def _require_groups(sizes: Mapping[str, int], splits: Iterable[str]) -> None:
    splits = list(splits)
    if len(sizes) < len(splits):
        names = ", ".join(map(repr, sorted(sizes)[:3]))
        raise ValueError(
            f"{counted(len(sizes), 'group')} ({names}) can't be divided into {', '.join(splits)}: say with groups or "
            "with by in split which images belong together"
        )


def _shuffled(groups: Iterable[str], seed: int) -> list[str]:
    """Return groups in an order that depends on nothing but each name and the seed, on every system."""
    return sorted(groups, key=lambda group: (_hash(group, seed), group))


def _hash(group: str, seed: int) -> bytes:
    composed = unicodedata.normalize("NFC", group)  # some systems decompose the letters of files' names
    return sha256(f"{seed} {composed}".encode("utf-8", "surrogatepass")).digest()
