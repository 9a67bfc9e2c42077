"""Measure what logging costs a training: ``python benchmarks/logging_cost.py``.

The demo is trained once with each logger. All time is added up that goes into values, curves, the progress bar, the log
file, examples and pages. That is steadier than a difference between two trainings. Work of W&B's own process is not in
it, so the CPU time of that process is another column.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import psutil
import pytorch_lightning as pl
import torch
from publish import publish, table
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.trainer.connectors.logger_connector.logger_connector import _LoggerConnector

from segrnn.config.composition import compose
from segrnn.config.schema import Train
from segrnn.reports import describe_machine
from segrnn.run_log import LogFile
from segrnn.tasks.train import train
from segrnn.training import Dashboard, Examples
from segrnn.training.callbacks import ProgressBar
from segrnn.training.dashboard import ShowValidations
from segrnn.training.mlflow import MlflowDashboard
from segrnn.training.speed import Speed
from segrnn.training.wandb import WandbDashboard

LOGGING: dict[type, tuple[str, ...]] = {
    _LoggerConnector: ("log_metrics",),
    pl.LightningModule: ("log", "log_dict"),
    LearningRateMonitor: ("on_train_batch_start",),
    Speed: ("on_train_batch_start", "on_train_batch_end"),
    ProgressBar: ("on_train_batch_end", "on_validation_batch_end", "on_validation_end"),
    Examples: ("on_validation_batch_end", "on_validation_epoch_end"),
    ShowValidations: ("on_validation_end",),
    LogFile: ("emit",),
}
"""Everything that a run does to be watched, except opening and closing a page."""


class Cost(NamedTuple):
    """What the logging of one run has cost, in seconds."""

    training: float
    logging: float
    page: float
    other_processes: float


class Clock:
    """Adds up the time of methods. Calls inside of other calls are not counted twice."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    @contextlib.contextmanager
    def on(self, methods: dict[type, tuple[str, ...]]) -> Iterator[None]:
        """Measure the methods within the block."""
        with contextlib.ExitStack() as stack:
            for owner, names in methods.items():
                for name in names:
                    stack.enter_context(patch.object(owner, name, self._timed(getattr(owner, name))))
            yield

    def _timed(self, method: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            self._depth += 1
            try:
                return method(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - start

        return timed


def main() -> None:
    """Measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="the number of steps of each run")
    parser.add_argument("--loggers", nargs="+", default=["csv", "tensorboard", "wandb", "mlflow"])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--overrides", nargs="*", default=[], help="more Hydra overrides, for all runs")
    arguments = parser.parse_args()
    recipe = ["data.workers=0", f"trainer.max_steps={arguments.steps}", *arguments.overrides]
    rows = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for logger in ("csv", *arguments.loggers):  # the first run draws the demo and warms up
            cost = measure([f"logger={logger}", f"data.root={folder}/demo", *recipe], Path(folder, f"run{len(rows)}"))
            rows.append(
                {
                    "logger": f"`{logger}`",
                    "training, s": f"{cost.training:.1f}",
                    "logging in it, s": f"{cost.logging:.2f}",
                    "share": f"{100 * cost.logging / cost.training:.2f} %",
                    "opening and closing a page, s": f"{cost.page:.2f}",
                    "CPU of other processes, s": f"{cost.other_processes:.2f}",
                }
            )
    lines = [
        f"What logging costs a training of the demo, `{' '.join(recipe)}`, with two validations in 100 steps.",
        "",
        f"{describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows[1:]),
    ]
    publish("logging_cost", lines, arguments.results.resolve())


def measure(overrides: list[str], run_dir: Path) -> Cost:
    """Train once."""
    logging, page, training = Clock(), Clock(), Clock()
    pages: dict[type, tuple[str, ...]] = dict.fromkeys((WandbDashboard, MlflowDashboard), ("begin", "end"))
    assert all(issubclass(each, Dashboard) for each in pages)
    with (
        logging.on(LOGGING),
        page.on(pages),
        training.on({pl.Trainer: ("fit",)}),
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
    ):
        before = cpu_of_children()
        train(compose(Train, overrides), run_dir)
        after = cpu_of_children()
    return Cost(training.seconds, logging.seconds, page.seconds, after - before)


def cpu_of_children() -> float:
    """The CPU time of all processes that this one has started, and that still run."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
