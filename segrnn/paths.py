"""Names that come from files, made into paths that stay where they belong."""

import re
from pathlib import PurePosixPath

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVES = re.compile(r"^([A-Za-z]:)+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)( *\..*)?")
"""Names that are devices on Windows, whatever their suffix."""


def safe_path(name: str) -> PurePosixPath:
    r"""Return the relative path that a name from a file stands for; it never leads out of the folder it is put in.

    The name is read as unzip and Python's zipfile read those of archives: backslashes separate folders, and a leading
    slash, drives and ``..`` are left out. Control characters become ``_``, names that Windows reserves get
    one in front, and parts lose the dots and spaces at their end.

    Raises:
        ValueError: nothing is left of the name.

    Example:
        >>> [str(safe_path(name)) for name in ("a/./b.png", r"..\a\b.png", "/etc/b.png", r"C:\b.png", "aux.png")]
        ['a/b.png', 'a/b.png', 'etc/b.png', 'b.png', '_aux.png']
    """
    steps = name.replace("\\", "/").split("/")
    parts = [part for step in steps if (part := _safe_part(step))]
    if not parts:
        raise ValueError(f"{name!r} names no file")
    return PurePosixPath(*parts)


def _safe_part(part: str) -> str:
    part = _CONTROL.sub("_", _DRIVES.sub("", part)).rstrip(". ")
    return f"_{part}" if _RESERVED.fullmatch(part) else part
