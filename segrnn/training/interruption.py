"""Ending a run early, at a point where everything can be saved."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

import pytorch_lightning as pl
import torch

from segrnn.errors import Interrupted
from segrnn.termination import end

_NAMES = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT")  # Windows lacks SIGUSR1 and SIGUSR2
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_TIME_IS_UP = 1000  # stands for the time limit where processes share signal numbers; no signal has this number


class Interruption:
    """Notes that the run should end. The run checks this after each step, and between the images of a validation.

    The handlers only note the signal: SIGTERM (schedulers, Kubernetes), SIGUSR1 (SLURM), SIGUSR2 (submitit) and the
    first Ctrl-C. A handler that talked to other processes would hang if each of them got the signal. A second Ctrl-C
    ends the process at once.

    Used as a context manager, it puts its handlers in place and later restores the former ones. A former handler gets
    the signal once the run has ended: for example, submitit then queues the job again.

    Args:
        max_minutes: minutes after which the run ends by itself; None sets no limit.

    Example:
        >>> with Interruption() as interruption:
        ...     signal.raise_signal(signal.SIGUSR1)
        ...     interruption.noted
        True
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self.deadline = float("inf") if max_minutes is None else time.monotonic() + 60 * max_minutes
        self.number = 0
        self.former: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
            self.former = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)
        former = self.former.get(self.number)
        handled = self.number != signal.SIGINT and callable(former) and former is not end
        if isinstance(error, Interrupted) and handled:
            signal.raise_signal(self.number)

    @property
    def noted(self) -> bool:
        """Return whether this process got a signal to end, or the time is up."""
        return self.number != 0 or time.monotonic() > self.deadline

    def agreed(self, trainer: pl.Trainer) -> Interrupted | None:
        """Return the exception to raise if any process was told to end, or None.

        It is the same in every process. All processes must call this at the same time.
        """
        own = self.number or (_TIME_IS_UP if self.noted else 0)
        shared = torch.tensor(own, device=trainer.strategy.root_device)
        number = int(trainer.strategy.reduce(shared, reduce_op="max"))
        if number == 0:
            return None
        reason = "its time is up (trainer.max_minutes)" if number == _TIME_IS_UP else signal.Signals(number).name
        return Interrupted(reason, trainer.global_step, exit_code=130 if number == signal.SIGINT else 143)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == self.number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        self.number = number
