"""Making safe paths from names that come from files."""

import re
from pathlib import PurePosixPath

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVES = re.compile(r"^([A-Za-z]:)+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)( *\..*)?")
"""Names that stand for devices on Windows, with any suffix."""


def safe_path(name: str) -> PurePosixPath:
    r"""Return the relative path that a name from a file stands for. It never leads out of the folder it is put in.

    The name is read as unzip and Python's zipfile read names in archives: backslashes separate folders, and a leading
    slash, drives and ``..`` are left out. Control characters become ``_``. Names that Windows reserves get a ``_`` in
    front. Dots and spaces at the end of a part are removed.

    Raises:
        ValueError: nothing is left of the name.

    Example:
        >>> [str(safe_path(name)) for name in ("a/./b.png", r"..\a\b.png", "/etc/b.png", r"C:\b.png", "aux.png")]
        ['a/b.png', 'a/b.png', 'etc/b.png', 'b.png', '_aux.png']
    """
    steps = name.replace("\\", "/").split("/")
    parts = [part for step in steps if (part := _safe_part(step))]
    if not parts:
        raise ValueError(f"{name!r} is not the name of a file")
    return PurePosixPath(*parts)


def _safe_part(part: str) -> str:
    part = _CONTROL.sub("_", _DRIVES.sub("", part)).rstrip(". ")
    return f"_{part}" if _RESERVED.fullmatch(part) else part
