"""A process that is told to end tidies up first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """The process was told to end. As for KeyboardInterrupt, no code but the outermost reacts to it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")


def end(number: int, frame: FrameType | None) -> None:
    """Handle a signal: raise what runs all the clean-up code on its way out.

    Raises:
        Terminated: always.
    """
    raise Terminated(number)


@contextmanager
def tidy() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block by an exception, so that it removes what it has not finished.

    Who ignores a signal or handles it already (nohup, say, or a scheduler's program) is left alone.
    """
    if threading.current_thread() is not threading.main_thread():  # no other one may set handlers
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
