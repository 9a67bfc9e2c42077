"""A guard for networks that are built from a stranger's file: it keeps their code from side effects."""

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
"""Python's audit events for actions that affect anything outside the process, or outside the guarded thread."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_attempts: ContextVar[list[str] | None] = ContextVar("attempts", default=None)
"""Forbidden actions that the guarded code has tried. None outside guarded code."""

_installed = False


class ForbiddenError(PermissionError):
    """Guarded code has tried to use the network, to write a file or to start a process."""


@contextmanager
def no_side_effects(what: str) -> Iterator[None]:
    """Let code compute and read, but not use the network, write files, or start processes or threads.

    The guard covers Python's own functions in this thread. It is the second line of defence: the first one is that only
    known classes are called, with known arguments. The guard can't stop malicious code.

    Args:
        what: what the code does, for the message.

    Raises:
        CheckpointError: the code has tried one of these actions, even if it has caught the error that followed.

    Example:
        >>> with no_side_effects("the example"):
        ...     open("new.txt", "w")
        Traceback (most recent call last):
        segrnn.errors.CheckpointError: the example tried to open new.txt for writing, which is not allowed
    """
    _install()
    attempts: list[str] = []
    token = _attempts.set(attempts)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the code may import modules
    try:
        yield
    except ForbiddenError:
        pass  # reported below
    finally:
        sys.dont_write_bytecode = writes_bytecode
        _attempts.reset(token)
        if attempts:
            raise CheckpointError(f"{what} tried to {attempts[0]}, which is not allowed")


def _install() -> None:
    """Add the audit hook once, because Python can't remove it again. Outside guarded code, the hook does nothing."""
    global _installed
    if not _installed:
        sys.addaudithook(_refuse)
        _installed = True


# Python still calls the hook after it has emptied the modules at exit, so the hook gets the variable as an argument
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
