"""Keeping freed memory for the next step. By default the C library returns it to the system each time."""

import ctypes
import sys
from collections.abc import Callable

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""The numbers of glibc's options, from malloc.h."""

_MIB = 2**20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory, so that the next tensor of the same size needs no new pages.

    Training steps free and allocate the same large tensors again and again. By default glibc returns each of them to
    the system. The system then hands out new pages one by one, after a page fault each, and fills them with zeros. That
    can take longer than the arithmetic, especially in virtual machines. The drawback is that a process keeps as much
    memory as it has used at its peak.

    The function does nothing if the C library isn't glibc.

    Returns:
        Whether the C library has accepted the settings.

    Example:
        >>> keep_freed_memory() or sys.platform != "linux"
        True
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    # older versions of glibc refuse a threshold above 32 MiB
    largest = any(mallopt(_MMAP_THRESHOLD, size * _MIB) for size in (1024, 32))
    return bool(largest and mallopt(_TRIM_THRESHOLD, _NEVER) and mallopt(_TOP_PAD, 256 * _MIB))


def _function(name: str) -> Callable[..., int] | None:
    """Return a function of glibc, or None if the C library is another one."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return getattr(library, name) if hasattr(library, "gnu_get_libc_version") else None
