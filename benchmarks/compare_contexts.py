"""Train every context under one recipe, and write a table: ``python benchmarks/compare_contexts.py --help``.

There are two recipes: CamVid, and book pages with zones in the layout of ``data=folder``. A run that is finished is not
trained again: stop the script when you like, and start it again with the same arguments.
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
from pathlib import Path

import torch
from publish import publish, table

from segrnn.inference import load_checkpoint
from segrnn.measure import count_parameters
from segrnn.models import Segmenter
from segrnn.reports import describe_machine


@dataclass(frozen=True)
class Comparison:
    """A recipe, and the hidden size of each context."""

    title: str
    recipe: Sequence[str]
    size: tuple[int, int]
    """Height and width of the image that is timed."""
    contexts: dict[str, Sequence[str]]


COMPARISONS = {
    # Hidden sizes such that no rival has fewer parameters than the largest of the recurrent contexts (renet_lstm).
    # The encoder only as far as stride 8: deeper stages see most of an image by themselves.
    "camvid": Comparison(
        "CamVid, the validation frames at 360 x 480",
        ["experiment=camvid_quick", "model=fcn_stride8", "optimizer.lr=8e-3", "optimizer.recurrent_lr=16e-3"],
        (360, 480),
        {
            "none": [],
            "convolutions": ["context.hidden=152"],
            "pyramid_pooling": ["context.hidden=142"],
            "aspp": ["context.hidden=80"],
            "renet_rnn": ["context.hidden=64"],
            "renet_gru": ["context.hidden=64"],
            "renet_lstm": ["context.hidden=64"],
            "renet_mingru": ["context.hidden=64"],
            "local_global": ["context.hidden=64"],
        },
    ),
    # Hidden sizes such that all have as many parameters as renet_gru, within 5 %. A mirrored page does not exist.
    "pages": Comparison(
        "Book pages with zones, the validation pages, 640 pixels high",
        [
            *("data=folder", "model=fcn_stride8", "data.crop=[320,320]", "data.scale=[0.75,1.33]", "data.flip=0"),
            *("data.batch_size=8", "optimizer.lr=8e-3", "optimizer.recurrent_lr=16e-3"),
        ],
        (640, 448),
        {
            "none": [],
            "convolutions": ["context.hidden=116"],
            "pyramid_pooling": ["context.hidden=104"],
            "axial_attention": ["context.hidden=120"],
            "axial_decay": ["context.hidden=140"],
            "lateral_sweep": ["context.hidden=27"],
            "scnn": ["context.hidden=60"],
            "renet_gru": ["context.hidden=64"],
            "renet_lstm": ["context.hidden=56"],
            "renet_mingru": ["context.hidden=108"],
        },
    ),
}


def main() -> None:
    """Train what is missing, then write the table of what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("data", choices=list(COMPARISONS), help="the recipe")
    parser.add_argument("--root", type=Path, required=True, help="the folder of the images, see data/README.md")
    parser.add_argument("--steps", type=int, default=160, help="the number of optimizer steps of every run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--contexts", nargs="+", metavar="CONTEXT", help="the contexts to train; by default all")
    parser.add_argument("--parallel", type=int, default=1, help="the number of runs at a time")
    parser.add_argument("--runs", type=Path, help="the folder for the runs; by default runs/<data>_contexts")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--overrides", nargs="*", default=[], help="more Hydra overrides, the same for every run")
    arguments = parser.parse_args()
    comparison = COMPARISONS[arguments.data]
    contexts = arguments.contexts or list(comparison.contexts)
    if unknown := set(contexts) - set(comparison.contexts):
        parser.error(f"--contexts: {', '.join(sorted(unknown))} not among {', '.join(comparison.contexts)}")
    runs = arguments.runs or Path(f"runs/{arguments.data}_contexts")

    recipe = [*comparison.recipe, f"data.root={arguments.root.resolve()}", f"trainer.max_steps={arguments.steps}"]
    recipe += [f"trainer.validate_every_n_steps={arguments.steps}", *arguments.overrides]
    with ThreadPoolExecutor(arguments.parallel) as pool:
        trained = [
            pool.submit(
                train,
                run_folder(runs, name, seed),
                [*recipe, f"context={name}", *comparison.contexts[name], f"seed={seed}"],
            )
            for seed in arguments.seeds
            for name in contexts
        ]
    for run in trained:
        run.result()
    write_table(arguments.data, recipe, runs, arguments.results)


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


def write_table(data: str, recipe: list[str], runs: Path, results: Path) -> None:
    """One line for each context that has a finished run of this recipe, with every seed there is."""
    comparison = COMPARISONS[data]
    runs_of = {
        name: [run for run in sorted(runs.glob(f"{name}-seed*")) if is_of(run, recipe)] for name in comparison.contexts
    }
    finished = {name: own for name, own in runs_of.items() if own}
    models = {name: load_checkpoint(own[0] / "checkpoints" / "last.ckpt")[0] for name, own in finished.items()}
    milliseconds = time_per_image(models, comparison.size)
    rows, of_classes = [], []
    for name, model in models.items():
        scores = [json.loads((folder / "metrics.json").read_text()) for folder in finished[name]]
        mious = [100 * score["miou"] for score in scores]
        rows.append(
            {
                "context": name,
                "parameters in the context": f"{count_parameters(model.context):,}",
                "parameters": f"{count_parameters(model):,}",
                "val mIoU": f"{statistics.mean(mious):.2f}",
                "of each seed": ", ".join(f"{miou:.2f}" for miou in mious),
                "pixel accuracy": f"{100 * statistics.mean(score['pixel_accuracy'] for score in scores):.2f}",
                "ms per image": f"{milliseconds[name]:.0f}",
            }
        )
        of_classes.append({"context": name, **mean_iou_of_classes([score["per_class"] for score in scores])})
    shown = [argument for argument in recipe if not argument.startswith("data.root=")]
    lines = [
        f"{comparison.title}, in percent: the last validation of each run, mean over the seeds (0 first).",
        f"Time is the network on one image of {comparison.size[0]} x {comparison.size[1]}, the median of rounds in",
        "which all take turns.",
        "",
        f"`{' '.join(shown)}`, and the hidden sizes in `benchmarks/compare_contexts.py`.",
        "",
        f"Times: {describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows),
        "",
        "IoU of each class:",
        "",
        *table(of_classes),
    ]
    publish(f"{data}_contexts", lines, results)
    with (results / f"{data}_contexts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def mean_iou_of_classes(of_seeds: Sequence[dict[str, dict[str, float | None]]]) -> dict[str, str]:
    """The mean of each class over the seeds; a class that never occurs has none."""
    known = {name: [own for scores in of_seeds if (own := scores[name]["iou"]) is not None] for name in of_seeds[0]}
    return {name: f"{100 * statistics.mean(own):.1f}" if own else "" for name, own in known.items()}


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
