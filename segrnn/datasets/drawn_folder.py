"""Folders of drawn pictures: what the demo scenes and the demo pages have in common when they are written."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from segrnn.atomic import is_taken
from segrnn.errors import OutputError
from segrnn.images.object_store import is_address


class Draw(NamedTuple):
    """A picture that has to be drawn."""

    split: str
    """The split of the picture."""
    number: int
    """The number of the picture in its split, from 0."""
    rng: np.random.Generator
    """The source of all chance in the picture. It depends only on the seed, the split and the number."""


def draws(things: str, counts: Mapping[str, int], seed: int) -> Iterator[Draw]:
    """Give each picture of a folder in its turn, and show the progress.

    Args:
        things: what is drawn, in the plural, for messages.
        counts: the number of pictures in each split.
        seed: the seed of the folder.

    Raises:
        ValueError: a split would have no pictures.

    Example:
        >>> [(draw.split, draw.number) for draw in draws("circles", {"train": 2, "val": 1}, seed=0)]
        [('train', 0), ('train', 1), ('val', 0)]
    """
    if min(counts.values()) < 1:
        given = ", ".join(f"{split}={count}" for split, count in counts.items())
        raise ValueError(f"each split needs a picture, got {given} {things}")
    jobs = [
        Draw(split, number, np.random.default_rng([seed, place, number]))
        for place, (split, count) in enumerate(counts.items())
        for number in range(count)
    ]
    return iter(track(jobs, f"drawing {things}", console=Console(stderr=True)))


def draw_unless_there(root: str, draw: Callable[[Path], None]) -> None:
    """Draw the pictures of a dataset, unless the folder exists or lies in an object store."""
    if not is_address(root) and not Path(root).exists():
        draw(Path(root))


@contextmanager
def drawn_folder(root: Path, things: str) -> Iterator[Path]:
    """Give a draft folder to draw into. At the end it becomes ``root``; after a failure, nothing is left.

    If another process wrote ``root`` meanwhile, that copy stays and this one is dropped.

    Args:
        root: the folder to make. It may exist if it is empty.
        things: what is drawn, in the plural, for messages.

    Raises:
        OutputError: ``root`` exists already and is not an empty folder, or can't be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with drawn_folder(Path(folder, "new"), "circles") as draft:
        ...         _ = Path(draft, "circle.txt").write_text("o")
        ...     os.listdir(folder), os.listdir(Path(folder, "new"))
        (['new'], ['circle.txt'])
    """
    if is_taken(root):
        raise OutputError(f"{root} exists already and would be overwritten: remove it, or choose another folder")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as scratch:
            draft = Path(scratch, "draft")
            draft.mkdir()
            yield draft
            _publish(draft, root)
    except OSError as error:
        raise OutputError(f"can't write the {things} to {root}: {error}") from error


def _publish(draft: Path, root: Path) -> None:
    try:
        os.replace(draft, root)  # replaces an empty folder, and fails on one with content
    except OSError:
        if not is_taken(root):
            raise
