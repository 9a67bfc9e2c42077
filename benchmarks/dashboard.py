"""Measure what a W&B page costs: ``python benchmarks/dashboard.py --camvid <camvid>``.

A short training on CamVid with ``logger=wandb`` validates several times; of each validation, the time is taken that
goes into keeping examples and into showing tables, charts and masks. Then the demo is trained with ``logger=csv`` and
with ``logger=wandb`` in turn, from the start of the command to its end.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from publish import publish
from pytorch_lightning.loops import _EvaluationLoop

from segrnn.config.composition import compose
from segrnn.config.schema import Train
from segrnn.reports import describe_machine
from segrnn.tasks.train import train
from segrnn.training import Examples
from segrnn.training.wandb import WandbDashboard

CAMVID = ["experiment=camvid_quick", "logger=wandb", "encoder.weights=null", "data.workers=1"]
DEMO = ["data.workers=0"]


def main() -> None:
    """Measure, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True, help="the folder of CamVid")
    parser.add_argument("--validations", type=int, default=5, help="the number of validations that are measured")
    parser.add_argument("--pairs", type=int, default=3, help="the number of pairs of demo runs, without and with W&B")
    parser.add_argument("--steps", type=int, default=250, help="the number of steps in each demo run")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--overrides", nargs="*", default=[], help="more Hydra overrides, for all runs")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        times = measure_validations(
            arguments.camvid, arguments.validations, arguments.overrides, Path(folder, "camvid")
        )
        runs = measure_runs(
            arguments.pairs, [*arguments.overrides, f"trainer.max_steps={arguments.steps}"], Path(folder)
        )
    whole, keeping, showing = (statistics.median(column) for column in zip(*times, strict=True))
    plain, wandb = (statistics.median(column) for column in zip(*runs, strict=True))
    lines = [
        "What `logger=wandb` (offline) costs.",
        "",
        f"{describe_machine(torch.device('cpu'))}.",
        "",
        f"A validation on CamVid, `{' '.join([*CAMVID, *arguments.overrides])}`, medians of {len(times)}:",
        "",
        "| validation with all, s | keeping examples, ms | showing, ms | both / the rest |",
        "|---:|---:|---:|---:|",
        f"| {whole:.2f} | {1000 * keeping:.1f} | {1000 * showing:.1f} "
        f"| {100 * (keeping + showing) / (whole - keeping - showing):.2f} % |",
        "",
        f"The demo's training of {arguments.steps} steps, `{' '.join([*DEMO, *arguments.overrides])}`, the whole",
        f"command, medians of {len(runs)}:",
        "",
        "| `logger=csv`, s | `logger=wandb`, s | with / without |",
        "|---:|---:|---:|",
        f"| {plain:.1f} | {wandb:.1f} | {wandb / plain:.3f} |",
        "",
        f"Each pair: {', '.join(f'{wandb / plain:.3f}' for plain, wandb in runs)}.",
    ]
    publish("dashboard", lines, arguments.results)


def measure_validations(
    camvid: Path, validations: int, overrides: list[str], run_dir: Path
) -> list[tuple[float, float, float]]:
    """Seconds of each validation: all of it, what keeps examples, and what shows them. The first one warms up."""
    steps = [f"trainer.max_steps={validations + 1}", "trainer.validate_every_n_steps=1"]
    config = compose(Train, [*CAMVID, f"data.root={camvid}", *steps, *overrides])
    whole = clock(_EvaluationLoop, "run")
    keeping = clock(Examples, "on_validation_batch_end"), clock(Examples, "on_validation_epoch_end")
    showing = clock(WandbDashboard, "show_validation")
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        train(config, run_dir)
    batches = len(keeping[0]) // len(whole)
    kept = [sum(keeping[0][i * batches : (i + 1) * batches]) + keeping[1][i] for i in range(len(whole))]
    return list(zip(whole, kept, showing, strict=True))[1:]


def clock(cls: type, method: str) -> list[float]:
    """Seconds of every call of a method from now on."""
    times: list[float] = []
    original = getattr(cls, method)

    def timed(self: Any, *args: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(self, *args)
        finally:
            times.append(time.perf_counter() - start)

    setattr(cls, method, timed)
    return times


def measure_runs(pairs: int, overrides: list[str], folder: Path) -> list[tuple[float, float]]:
    """Seconds of each pair of commands, without and with W&B."""

    def run(*chosen: str) -> float:
        command = [sys.executable, "-m", "segrnn.train", *DEMO, f"data.root={folder}/demo", *overrides, *chosen]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    run("debug=fast", f"hydra.run.dir={folder}/drawn")  # the scenes are drawn on first use
    rows = []
    for pair in range(pairs):
        loggers = ("csv", "wandb") if pair % 2 else ("wandb", "csv")  # neither always comes first
        seconds = {logger: run(f"logger={logger}", f"hydra.run.dir={folder}/{logger}{pair}") for logger in loggers}
        rows.append((seconds["csv"], seconds["wandb"]))
    return rows


if __name__ == "__main__":
    main()
