"""Ask whether recurrent context is worth it: ``python benchmarks/worth.py --help``.

A question is a recipe and its arms (``benchmarks/comparisons.py``). Each arm is trained with each seed. The script
writes a table, a picture of score against cost, and a verdict by the rules in ``benchmarks/verdict.py``. A run that is
finished is not trained again: stop the script when you like, and start it again with the same arguments.
"""

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from comparisons import COMPARISONS, RECURRENT
from matplotlib.figure import Figure
from publish import publish, table
from verdict import dominators, judge

from segrnn.inference import load_checkpoint
from segrnn.measure import count_parameters, peak_memory, run_forward
from segrnn.models import Segmenter
from segrnn.reports import describe_machine


@dataclass(frozen=True)
class Arm:
    """What the runs of an arm have shown."""

    scores: dict[int, dict]
    """The scores of the last validation, by seed."""
    parameters: int
    of_context: int
    milliseconds: float
    mebibytes: float

    @property
    def mious(self) -> dict[int, float]:
        """The mIoU of each seed, in percent."""
        return {seed: 100 * scores["miou"] for seed, scores in self.scores.items()}

    @property
    def miou(self) -> float:
        """The mean over the seeds."""
        return statistics.mean(self.mious.values())


def main() -> None:
    """Train what is missing, then write the table of what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("question", choices=list(COMPARISONS), help="the recipe")
    parser.add_argument("--root", type=Path, required=True, help="the folder of the images, see data/README.md")
    parser.add_argument("--steps", type=int, help="the number of optimizer steps of every run; by default the recipe's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="the arms to train; by default all")
    parser.add_argument("--parallel", type=int, default=1, help="the number of runs at a time")
    parser.add_argument("--runs", type=Path, help="the folder for the runs; by default runs/<question>")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--overrides", nargs="*", default=[], help="more Hydra overrides, the same for every run")
    arguments = parser.parse_args()
    comparison = COMPARISONS[arguments.question]
    arms = arguments.arms or list(comparison.arms)
    if unknown := set(arms) - set(comparison.arms):
        parser.error(f"--arms: {', '.join(sorted(unknown))} not among {', '.join(comparison.arms)}")
    if not arguments.root.exists():
        parser.error(f"--root: {arguments.root} is not there; data/README.md says how to get the images")
    runs = arguments.runs or Path("runs") / arguments.question
    steps = arguments.steps or comparison.steps

    recipe = [*comparison.recipe, f"data.root={arguments.root.resolve()}", f"trainer.max_steps={steps}"]
    recipe += [f"trainer.validate_every_n_steps={steps}", *arguments.overrides]
    with ThreadPoolExecutor(arguments.parallel) as pool:
        trained = [
            pool.submit(train, run_folder(runs, name, seed), [*recipe, *comparison.arms[name], f"seed={seed}"])
            for seed in arguments.seeds
            for name in arms
        ]
    for run in trained:
        run.result()
    found = read_arms(arguments.question, recipe, runs)
    report(arguments.question, recipe, found, arguments.results)
    draw(found, arguments.results / f"{arguments.question}.png")


def train(folder: Path, overrides: list[str]) -> None:
    """One run in a process of its own, unless its scores are there."""
    recorded = folder / "overrides.json"
    if recorded.exists():  # written last
        if json.loads(recorded.read_text()) != overrides:
            raise SystemExit(f"error: {folder} was trained with other settings ({recorded}): choose another --runs")
        print(f"{folder} is there")
        return
    shutil.rmtree(folder, ignore_errors=True)  # a run that was cut off
    start = time.time()
    subprocess.run([sys.executable, "-m", "segrnn.train", *overrides, f"hydra.run.dir={folder}"], check=True)
    recorded.write_text(json.dumps(overrides, indent=2) + "\n")
    print(f"{folder}: {time.time() - start:.0f} s")


def read_arms(question: str, recipe: list[str], runs: Path) -> dict[str, Arm]:
    """Every arm that has a finished run of this recipe, with every seed there is, and what its network costs."""
    comparison = COMPARISONS[question]
    finished: dict[str, dict[int, Path]] = {}
    for name in comparison.arms:
        own = {int(run.name.rpartition("-seed")[2]): run for run in runs.glob(f"{name}-seed*") if is_of(run, recipe)}
        if own:
            finished[name] = dict(sorted(own.items()))
    models = {
        name: load_checkpoint(next(iter(own.values())) / "checkpoints" / "last.ckpt")[0]
        for name, own in finished.items()
    }
    milliseconds = time_per_image(models, comparison.size)
    image = torch.rand(1, 3, *comparison.size)
    return {
        name: Arm(
            {seed: json.loads((run / "metrics.json").read_text()) for seed, run in finished[name].items()},
            count_parameters(model),
            count_parameters(model.context),
            milliseconds[name],
            peak_memory(partial(run_forward, model, image), torch.device("cpu")) / 2**20,
        )
        for name, model in models.items()
    }


def report(question: str, recipe: list[str], arms: dict[str, Arm], results: Path) -> None:
    """Write the tables and the verdict."""
    comparison = COMPARISONS[question]
    rows = [
        {
            "arm": name,
            "parameters in the context": f"{arm.of_context:,}",
            "parameters": f"{arm.parameters:,}",
            "val mIoU": f"{arm.miou:.2f}",
            "of each seed": ", ".join(f"{miou:.2f}" for miou in arm.mious.values()),
            "pixel accuracy": f"{100 * statistics.mean(own['pixel_accuracy'] for own in arm.scores.values()):.2f}",
            "ms per image": f"{arm.milliseconds:.0f}",
            "MiB": f"{arm.mebibytes:.0f}",
        }
        for name, arm in arms.items()
    ]
    of_classes = [
        {"arm": name, **mean_iou_of_classes([own["per_class"] for own in arm.scores.values()])}
        for name, arm in arms.items()
    ]
    shown = [argument for argument in recipe if not argument.startswith("data.root=")]
    seeds = sorted({seed for arm in arms.values() for seed in arm.scores})
    lines = [
        f"{comparison.title}, in percent: the last validation of each run, mean over the seeds.",
        f"Seeds are in the order {seeds}. Time and memory are those of the network on one image of",
        f"{comparison.size[0]} x {comparison.size[1]}, the time as the median of rounds in which all take turns.",
        "",
        f"`{' '.join(shown)}`, and the arms in `benchmarks/comparisons.py`.",
        "",
        f"Times: {describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows),
        "",
        "IoU of each class:",
        "",
        *table(of_classes),
        "",
        *verdicts(comparison.front, arms),
    ]
    publish(question, lines, results)
    with (results / f"{question}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def verdicts(front: Sequence[str], arms: dict[str, Arm]) -> list[str]:
    """The verdict on recurrence, or, if small networks should be on the front, on them."""
    if not front:
        return [f"**Verdict**: {judge({name: arm.mious for name, arm in arms.items()}, RECURRENT)}."]
    lines = []
    for name in [name for name in front if name in arms]:
        for what, cost in {"time": "milliseconds", "parameters": "parameters"}.items():
            others = dominators({other: (getattr(arm, cost), arm.miou) for other, arm in arms.items()}, name)
            word = f"not on it, because of {', '.join(others)}" if others else "on it"
            lines.append(f"**Front of score against {what}**: {name} is {word}.")
    return lines


def mean_iou_of_classes(of_seeds: Sequence[dict[str, dict[str, float | None]]]) -> dict[str, str]:
    """The mean of each class over the seeds; a class that never occurs has none."""
    known = {name: [own for scores in of_seeds if (own := scores[name]["iou"]) is not None] for name in of_seeds[0]}
    return {name: f"{100 * statistics.mean(own):.1f}" if own else "" for name, own in known.items()}


def draw(arms: dict[str, Arm], path: Path) -> None:
    """Draw the scores of all arms against their times and their parameters."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (cost, label) in zip(
        figure.subplots(1, 2, sharey=True),
        {"milliseconds": "ms per image", "parameters": "parameters"}.items(),
        strict=True,
    ):
        for name, arm in arms.items():
            color = "tab:red" if name in RECURRENT else "tab:blue"
            axes.scatter(getattr(arm, cost), arm.miou, color=color)
            axes.annotate(name, (getattr(arm, cost), arm.miou), fontsize=8, xytext=(3, 3), textcoords="offset points")
        axes.set(xlabel=label, xscale="log")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("val mIoU (red: recurrent context)")
    figure.savefig(path, dpi=120)


@torch.no_grad()
def time_per_image(models: dict[str, Segmenter], size: tuple[int, int], rounds: int = 7) -> dict[str, float]:
    """Milliseconds on one image: the median over rounds in which all take turns, after one that warms up."""
    image = torch.rand(1, 3, *size)
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model(image)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(own[1:]) for name, own in times.items()}


def is_of(folder: Path, recipe: list[str]) -> bool:
    """Whether a finished run of this recipe lies there."""
    recorded = folder / "overrides.json"
    return recorded.exists() and json.loads(recorded.read_text())[: len(recipe)] == recipe


def run_folder(runs: Path, name: str, seed: int) -> Path:
    """Where a run lies."""
    return runs / f"{name}-seed{seed}"


if __name__ == "__main__":
    main()
