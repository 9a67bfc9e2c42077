"""Folders that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segrnn.errors import OutputError


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A draft to write into, which becomes the folder at the end, or vanishes on a failure.

    Args:
        folder: may exist if it is empty.

    Raises:
        OutputError: the folder is taken, or can't be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder} exists already and would be overwritten: remove it, or name another output")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            draft = Path(scratch, "draft")
            draft.mkdir()
            yield draft
            os.replace(draft, folder)  # onto an empty folder too; fails on a full one
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error}") from error
