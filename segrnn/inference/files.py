"""Writing files so that none is ever half there."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from segrnn.errors import OutputError
from segrnn.labels.space import ByteArray

PARTIAL = ".part"
"""The suffix of files that are being written, or were when a process was killed."""

_LONGEST = 200
"""Bytes of a name that leave room for what is put around it; file systems allow 255."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: readers see the whole file or none.

    Raises:
        OutputError: the folder can't be made or written to, or the name is none that a file can have.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{draft_name(path)}-", suffix=PARTIAL, dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, UnicodeEncodeError) as error:  # the latter for a character that the file system has not
        raise OutputError(f"{path} can't be written: {error}") from error


def draft_name(path: Path) -> str:
    """Return what the drafts of a file are called, without what tells them apart: its stem, or a digest of a long one.

    Example:
        >>> draft_name(Path("masks/a.png")), len(draft_name(Path(f"masks/{250 * 'a'}.png")))
        ('a', 64)
    """
    name = os.fsencode(path.stem)
    return path.stem if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()


def write_png(path: Path, pixels: ByteArray) -> None:
    """Write ``(H, W)`` or ``(H, W, 3)`` bytes as a PNG, atomically."""
    write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, format="PNG"))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
