"""The log of a run: a file with everything that the run says, with times."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from segrnn.errors import Interrupted, Pruned
from segrnn.processes import rank
from segrnn.termination import Terminated
from segrnn.text import LOG, printable, tell

_LIBRARIES = ("pytorch_lightning", "lightning_fabric", "torch")
"""Loggers of libraries that print to the terminal. Lightning's own do not hand on what they get."""

_ENDED = (Interrupted, Pruned, Terminated, KeyboardInterrupt)
"""Ways to end a run from outside, which are no failures."""


@contextmanager
def logged(path: Path, level: str, earlier: Sequence[str] = ()) -> Iterator[None]:
    """Append what the block says to a file: messages, warnings, tables and the traceback of a failure.

    A file that can't be written never ends the block. The first failed attempt is told in the terminal.

    Args:
        path: the file. Its folder must exist.
        level: the least level that is written: ``debug``, ``info``, ``warning`` or ``error``. Processes other than the
            first one write only errors.
        earlier: messages that were told before the file could be opened.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "train.log")
        ...     with logged(path, "info"):
        ...         tell("6 images")
        ...     print(path.read_text().partition(" INFO ")[2].strip())
        6 images
        6 images
    """
    handler, before = LogFile(path), LOG.level
    handler.setLevel(logging.ERROR if rank() else level.upper())
    loggers = [LOG, *map(logging.getLogger, _LIBRARIES)]
    LOG.disabled = False  # Hydra disables all loggers that exist when a command starts
    LOG.setLevel(handler.level)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        for message in earlier:
            LOG.info(message)
        with _logged_warnings():
            yield
    except _ENDED as ended:
        LOG.warning(str(ended) or "interrupted")
        raise
    except BaseException as error:
        LOG.error(f"error: {error}", exc_info=True)
        raise
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        LOG.setLevel(before)


@contextmanager
def _logged_warnings() -> Iterator[None]:
    """Log each warning that is shown, too."""
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        shown(message, category, filename, lineno, file, line)
        LOG.warning(f"{category.__name__}: {message} ({filename}, line {lineno})")

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


class LogFile(logging.Handler):
    """Appends each record to a file. It opens the file each time, so that a disk that has room again gets the rest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.told = path, False
        who = f"[process {rank()}] " if rank() else ""
        self.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {who}%(message)s", "%Y-%m-%d %H:%M:%S%z"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. Its further lines are indented."""
        lines = map(printable, self.format(record).split("\n"))
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n  ".join(lines) + "\n")
        except OSError as error:
            if not self.told:
                self.told = True
                tell(f"{self.path} can't be written ({error.strerror}): the run goes on without this file", error=True)
