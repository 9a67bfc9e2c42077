"""Keep what is built from a stranger's file from reaching out."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from segrnn.errors import CheckpointError

_ACTIONS = (
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.startfile",
    "os.symlink",
    "os.system",
    "os.truncate",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.sendmsg",
    "socket.sendto",
    "subprocess.Popen",
    "_thread.start_new_thread",
)
"""Python's names (its audit events) for what reaches out of a process, or out of the thread that is guarded."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_attempts: ContextVar[list[str] | None] = ContextVar("attempts", default=None)
"""What the guarded code has tried to do; None where nothing is guarded."""

_installed = False


class ForbiddenError(PermissionError):
    """Guarded code has tried to use the network, to write a file or to start a process."""


@contextmanager
def no_side_effects(what: str) -> Iterator[None]:
    """Let code compute and read, but not use the network, write files, or start processes or threads.

    It holds for Python's own functions in this thread. It is the second line of defence: the first one is that only
    known classes are called, with known arguments. It can't hold code that means harm.

    Args:
        what: is done, for the message.

    Raises:
        CheckpointError: the code has tried to, also where it has caught the error that it got.

    Example:
        >>> with no_side_effects("the example"):
        ...     open("new.txt", "w")
        Traceback (most recent call last):
        segrnn.errors.CheckpointError: the example has tried to open new.txt for writing, which is not allowed
    """
    _install()
    attempts: list[str] = []
    token = _attempts.set(attempts)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # of modules that are first imported here
    try:
        yield
    except ForbiddenError:
        pass  # told below
    finally:
        sys.dont_write_bytecode = writes_bytecode
        _attempts.reset(token)
        if attempts:
            raise CheckpointError(f"{what} has tried to {attempts[0]}, which is not allowed")


def _install() -> None:
    """Add the one hook, which Python can't remove again; it does nothing where nothing is guarded."""
    global _installed
    if not _installed:
        sys.addaudithook(_refuse)
        _installed = True


# Python empties modules before it ends, but still calls the hook: what it needs then is an argument
def _refuse(event: str, arguments: tuple[Any, ...], guarded: ContextVar[list[str] | None] = _attempts) -> None:
    attempts = guarded.get()
    if attempts is None:
        return
    if event in _ACTIONS:
        attempts.append(f"call {event}")
    elif event == "open" and _is_write(*arguments[:3]):
        attempts.append(f"open {arguments[0]} for writing")
    else:
        return
    raise ForbiddenError(attempts[-1])


def _is_write(path: Any, mode: str | None, flags: int) -> bool:
    wanted = flags & _WRITES if mode is None else any(letter in mode for letter in "wax+")
    return bool(wanted) and path != os.devnull
