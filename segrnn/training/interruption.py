"""How a run ends before its time: when it suits it, and with everything saved."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

import pytorch_lightning as pl
import torch

from segrnn.errors import Interrupted
from segrnn.termination import end

_NAMES = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT")  # Windows lacks two of them
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_TIME_IS_UP = 1000  # no signal has it: it stands for the time limit among the numbers that processes agree on


class Interruption:
    """Notes that somebody wants the run to end; the run asks at the end of a step, or of an image in validation.

    SIGTERM (schedulers, Kubernetes), SIGUSR1 (SLURM), SIGUSR2 (submitit) and the first Ctrl-C are noted, and nothing
    more: a handler that talks to other processes hangs where each of them gets the signal. A second Ctrl-C ends the
    process at once.

    As a context manager it puts its handlers in place, and the former ones back. Who handled a signal before gets it
    once the run has ended: submitit, say, then queues the job anew.

    Args:
        max_minutes: after which the run ends by itself; None sets no limit.

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
        if threading.current_thread() is threading.main_thread():  # no other one may
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
        """Whether this process knows of a wish to end."""
        return self.number != 0 or time.monotonic() > self.deadline

    def agreed(self, trainer: pl.Trainer) -> Interrupted | None:
        """What to raise, the same in every process, if any of them knows of a wish. All must ask at the same time."""
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
