"""Folders that are there whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segrnn.claims import claimed
from segrnn.errors import OutputError
from segrnn.text import tell


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A draft to write into, which becomes the folder at the end, or vanishes on a failure.

    It lies beside the folder, as ``.<name>.draft``, and one process at a time works on it. What a killed process has
    left there is removed by the next one.

    Args:
        folder: may exist if it is empty.

    Raises:
        OutputError: the folder is taken, can't be written, or another process is about to write it.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder} exists already and would be overwritten: remove it, or name another output")
    scratch = folder.parent / f".{folder.name}.draft"
    draft = scratch / "draft"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with claimed(scratch, tell):
            try:
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir()
                yield draft
                os.replace(draft, folder)  # onto an empty folder too; fails on a full one
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):  # another process may have claimed it by now
            scratch.rmdir()
