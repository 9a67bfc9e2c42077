"""Freed memory is kept for the next step, where the C library would give it back to the system each time."""

import ctypes
import sys
from collections.abc import Callable

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""The numbers of glibc's options, from malloc.h."""

_MIB = 2**20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, so that the next tensor of the size needs no new pages.

    A step of training frees and allocates the same large tensors again and again. By default glibc returns each of
    them to the system, which then hands out its pages one by one, each after a page fault and filled with zeros. That
    can take longer than the arithmetic, in virtual machines above all. The price is that a process holds its peak.

    It does nothing where the C library isn't glibc.

    Returns:
        Whether the C library has taken the settings.

    Example:
        >>> keep_freed_memory() or sys.platform != "linux"
        True
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    # older versions of glibc take no threshold above 32 MiB
    largest = any(mallopt(_MMAP_THRESHOLD, size * _MIB) for size in (1024, 32))
    return bool(largest and mallopt(_TRIM_THRESHOLD, _NEVER) and mallopt(_TOP_PAD, 256 * _MIB))


def _function(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where the C library is another one."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return getattr(library, name) if hasattr(library, "gnu_get_libc_version") else None
