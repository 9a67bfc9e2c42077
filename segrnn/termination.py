"""Tidying up in a process that is told to end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """The process was told to end. Only the outermost code catches this, as with KeyboardInterrupt."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")


def end(number: int, frame: FrameType | None) -> None:
    """Handle a signal by an exception, so that all clean-up code runs.

    Raises:
        Terminated: always.
    """
    raise Terminated(number)


@contextmanager
def tidy() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block by an exception, so that it removes unfinished work.

    A signal that is ignored or has a handler already is left alone. For example, nohup ignores SIGHUP, and a
    scheduler's program may have its own handler.
    """
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread set handlers
        yield
        return
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
