"""Writing files and folders so that they are either complete or not there at all."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from segrnn.claims import claimed
from segrnn.errors import OutputError
from segrnn.text import tell

PARTIAL = ".part"
"""The suffix of files that are being written, or that a killed process has left unfinished."""

_LONGEST = 200
"""The most bytes of a file's name that are part of its draft's name. File systems allow 255 bytes for a whole name."""


def write_atomically(path: Path, write: Callable[[Path], object], suffix: str = "") -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: readers see the whole file or none.

    Args:
        path: the file. Its folder is made if it is missing.
        write: writes the content. It is called with the temporary file's path.
        suffix: the ending of the temporary file's name, for a library that tells formats by their suffix.

    Raises:
        OutputError: the folder can't be made or written to, or the file system does not allow the name.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder, "a.txt"), lambda path: path.write_text("whole"))
        ...     os.listdir(folder)
        ['a.txt']
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{draft_name(path)}-"
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=PARTIAL + suffix, dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, UnicodeEncodeError) as error:  # a name may have characters that the file system can't encode
        raise OutputError(f"{path} can't be written: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically.

    Raises:
        OutputError: the file can't be written.
    """
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def draft_name(path: Path) -> str:
    """Return the part of a name that all drafts of a file share: its stem, or a digest of the stem if it is long.

    Example:
        >>> draft_name(Path("masks/a.png")), len(draft_name(Path(f"masks/{250 * 'a'}.png")))
        ('a', 64)
    """
    name = os.fsencode(path.stem)
    return path.stem if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a draft folder to write into. At the end it becomes the folder; after a failure it is removed.

    The draft lies in ``.<name>.draft`` beside the folder. One process at a time works on it. If a killed process has
    left a draft, the next process removes it.

    Args:
        folder: the folder to make. It may exist if it is empty.

    Raises:
        OutputError: the folder is not empty or can't be written, or another process is writing it.
    """
    if is_taken(folder):
        raise OutputError(f"{folder} exists already and would be overwritten: remove it, or choose another output")
    scratch = folder.parent / f".{folder.name}.draft"
    draft = scratch / "draft"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with claimed(scratch, tell):
            try:
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir()
                yield draft
                os.replace(draft, folder)  # replaces an empty folder, and fails on one with content
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):  # another process may have claimed it by now
            scratch.rmdir()


def is_taken(folder: Path) -> bool:
    """Tell whether a new folder would overwrite something: a file, or a folder that is not empty.

    Example:
        >>> is_taken(Path("/")), is_taken(Path("/no such folder"))
        (True, False)
    """
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
