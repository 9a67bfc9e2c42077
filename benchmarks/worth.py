"""Ask whether recurrent context is worth it: ``python benchmarks/worth.py --help``.

A question is a recipe and its arms (``benchmarks/comparisons.py``). Each arm is trained with each seed. The script
writes a table, a picture of score against cost, and a verdict by the rules in ``benchmarks/verdict.py``; for an
ablation, only the table, with the difference of each arm from the whole recipe. Each finished run leaves a record in
the folder of results, and is not trained again: stop the script when you like, and start it again with the same
arguments, also on another machine.
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
from typing import Any

import torch
from comparisons import COMPARISONS, RECURRENT
from omegaconf import OmegaConf
from publish import publish, table
from records import Record, compose_settings, is_recorded, place, read
from verdict import dominators, judge

from segrnn.config.differences import differences
from segrnn.config.model import build_untrained
from segrnn.config.schema import Train
from segrnn.measure import count_parameters, peak_memory, run_forward
from segrnn.models import Segmenter
from segrnn.reports import describe_machine
from segrnn.reports.figures import picture


@dataclass(frozen=True)
class Arm:
    """What the runs of an arm have shown."""

    records: Sequence[Record]
    """One of each seed, in the order of the seeds."""
    parameters: int
    of_context: int
    milliseconds: float
    mebibytes: float

    @property
    def mious(self) -> dict[int, float]:
        """The mIoU of each seed, in percent."""
        return {record.seed: record.miou for record in self.records}

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
    records = arguments.results / arguments.question
    steps = arguments.steps or comparison.steps

    recipe = [*comparison.recipe, f"trainer.max_steps={steps}", f"trainer.validate_every_n_steps={steps}"]
    recipe += arguments.overrides
    missing = []
    for seed in arguments.seeds:
        for name in arms:
            overrides = [*recipe, *comparison.arms[name]]
            settings = compose_settings(overrides, seed)
            if not is_recorded(place(records, name, seed), settings):
                missing.append((name, overrides, settings))
    with ThreadPoolExecutor(arguments.parallel) as pool:
        trained = [pool.submit(train, *run, arguments.root, runs, records) for run in missing]
    for run in trained:
        run.result()
    found = read_arms(arguments.question, recipe, records)
    report(arguments.question, recipe, found, arguments.results)
    if not comparison.whole:
        draw(found, arguments.results / f"{arguments.question}.png")


def train(arm: str, overrides: list[str], settings: dict[str, Any], root: Path, runs: Path, records: Path) -> None:
    """One run in a process of its own, and its record."""
    run = runs / f"{arm}-seed{settings['seed']}"
    shutil.rmtree(run, ignore_errors=True)  # a run that was cut off
    own = [f"seed={settings['seed']}", f"data.root={root.resolve()}", f"hydra.run.dir={run}"]
    start = time.time()
    subprocess.run([sys.executable, "-m", "segrnn.train", *overrides, *own], check=True)
    seconds = round(time.time() - start)
    Record(arm, settings, seconds, json.loads((run / "metrics.json").read_text())).write(records)
    print(f"{run}: {seconds} s")


def read_arms(question: str, recipe: list[str], records: Path) -> dict[str, Arm]:
    """Every arm that has a finished run of this recipe, with every seed there is, and what its network costs."""
    comparison = COMPARISONS[question]
    finished: dict[str, list[Record]] = {}
    for name, changes in comparison.arms.items():
        own = [record for path in records.glob(f"{name}-seed*.json") if (record := read(path)).arm == name]
        own = [run for run in own if not differences(run.settings, compose_settings([*recipe, *changes], run.seed))]
        if own:
            finished[name] = sorted(own, key=lambda record: record.seed)
    models = {name: build(own[0]) for name, own in finished.items()}
    milliseconds = time_per_image(models, comparison.size)
    image = torch.rand(1, 3, *comparison.size)
    return {
        name: Arm(
            finished[name],
            count_parameters(model),
            count_parameters(model.context),
            milliseconds[name],
            peak_memory(partial(run_forward, model, image), torch.device("cpu")) / 2**20,
        )
        for name, model in models.items()
    }


def build(record: Record) -> Segmenter:
    """The network of a run, without its weights."""
    config = Train.parse(OmegaConf.create(record.settings))
    return build_untrained(config, len(record.scores["per_class"]))[0].eval()


def report(question: str, recipe: list[str], arms: dict[str, Arm], results: Path) -> None:
    """Write the tables and the verdict."""
    comparison = COMPARISONS[question]
    rows = [
        {
            "arm": name,
            "parameters in the context": f"{arm.of_context:,}",
            "parameters": f"{arm.parameters:,}",
            "val mIoU": f"{arm.miou:.2f}",
            **difference(arm, arms.get(comparison.whole)),
            "of each seed": ", ".join(f"{miou:.2f}" for miou in arm.mious.values()),
            "pixel accuracy": f"{100 * statistics.mean(own.scores['pixel_accuracy'] for own in arm.records):.2f}",
            "ms per image": f"{arm.milliseconds:.0f}",
            "MiB": f"{arm.mebibytes:.0f}",
            "seconds of training": f"{statistics.mean(own.seconds for own in arm.records):.0f}",
        }
        for name, arm in arms.items()
    ]
    of_classes = [
        {"arm": name, **mean_iou_of_classes([own.scores["per_class"] for own in arm.records])}
        for name, arm in arms.items()
    ]
    seeds = sorted({seed for arm in arms.values() for seed in arm.mious})
    lines = [
        f"{comparison.title}, in percent: the last validation of each run, mean over the seeds.",
        f"Seeds are in the order {seeds}. Time and memory are those of the network on one image of",
        f"{comparison.size[0]} x {comparison.size[1]}, the time as the median of rounds in which all take turns.",
        "",
        f"`{' '.join(recipe)}`, and the arms in `benchmarks/comparisons.py`.",
        "",
        f"Times: {describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows),
        "",
        "IoU of each class:",
        "",
        *table(of_classes),
        *([] if comparison.whole else ["", *verdicts(comparison.front, arms)]),
    ]
    publish(question, lines, results)
    with (results / f"{question}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def difference(arm: Arm, whole: Arm | None) -> dict[str, str]:
    """In an ablation, the cell of the difference from the whole recipe, over the seeds that both have."""
    if whole is None:
        return {}
    shared = arm.mious.keys() & whole.mious.keys()
    if arm is whole or not shared:
        return {"difference": ""}
    return {"difference": f"{statistics.mean(arm.mious[seed] - whole.mious[seed] for seed in shared):+.2f}"}


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
    with picture(path, (12, 5)) as figure:
        for axes, (cost, label, unit) in zip(
            figure.subplots(1, 2, sharey=True),
            (("milliseconds", "ms per image", 1), ("parameters", "thousand parameters", 1000)),
            strict=True,
        ):
            points = {name: (getattr(arm, cost) / unit, arm.miou) for name, arm in arms.items()}
            for name, point in points.items():
                axes.scatter(*point, color="tab:red" if name in RECURRENT else "tab:blue")
                axes.annotate(name, point, fontsize=8, xytext=(-6, -3), textcoords="offset points", ha="right")
            axes.set(xlabel=label)
            axes.set_xlim(0, 1.05 * max(x for x, _ in points.values()))
            axes.grid(alpha=0.3)
        figure.axes[0].set_ylabel("val mIoU (red: recurrent context)")


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


if __name__ == "__main__":
    main()
