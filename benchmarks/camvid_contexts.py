"""Train every context under one recipe on CamVid, and write a table: ``python benchmarks/camvid_contexts.py --help``.

A row that is finished is not trained again: stop the script when you like, and start it again with the same arguments.
"""

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from segrnn.inference import load_checkpoint
from segrnn.measure import count_parameters
from segrnn.models import Segmenter
from segrnn.reports import describe_machine

# Hidden sizes such that no rival has fewer parameters than the largest of the recurrent contexts (renet_lstm).
ROWS = {
    "none": [],
    "convolutions": ["context.hidden=152"],
    "pyramid_pooling": ["context.hidden=142"],
    "aspp": ["context.hidden=80"],
    "renet_rnn": ["context.hidden=64"],
    "renet_gru": ["context.hidden=64"],
    "renet_lstm": ["context.hidden=64"],
    "renet_mingru": ["context.hidden=64"],
    "local_global": ["context.hidden=64"],
}
# The encoder only as far as stride 8: deeper stages see most of an image by themselves.
RECIPE = ["experiment=camvid_quick", "model=fcn_stride8", "optimizer.lr=8e-3", "optimizer.recurrent_lr=16e-3"]
SIZE = (360, 480)


def main() -> None:
    """Train what is missing, then write the table of what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True, help="the folder of CamVid, see data/README.md")
    parser.add_argument("--steps", type=int, default=160, help="the number of optimizer steps in every run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--contexts", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="CONTEXT")
    parser.add_argument("--runs", type=Path, default=Path("runs/camvid_contexts"), help="the folder for the runs")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--overrides", nargs="*", default=[], help="more Hydra overrides, the same for every run")
    arguments = parser.parse_args()

    recipe = [*RECIPE, f"data.root={arguments.camvid.resolve()}", f"trainer.max_steps={arguments.steps}"]
    recipe += [f"trainer.validate_every_n_steps={arguments.steps}", *arguments.overrides]
    for seed in arguments.seeds:
        for name in arguments.contexts:
            train(name, seed, recipe, arguments.runs)
    write_table(recipe, arguments.runs, arguments.results)


def train(name: str, seed: int, recipe: list[str], runs: Path) -> None:
    """One run in a process of its own, unless its scores are there."""
    folder = run_folder(runs, name, seed)
    overrides = [*recipe, f"context={name}", *ROWS[name], f"seed={seed}"]
    recorded = folder / "overrides.json"
    if recorded.exists():  # written last
        if json.loads(recorded.read_text()) != overrides:
            sys.exit(f"error: {folder} was trained with other settings ({recorded}): choose another --runs")
        print(f"{folder} exists already and is kept")
        return
    shutil.rmtree(folder, ignore_errors=True)  # a run that was cut off
    start = time.time()
    subprocess.run([sys.executable, "-m", "segrnn.train", *overrides, f"hydra.run.dir={folder}"], check=True)
    recorded.write_text(json.dumps(overrides, indent=2) + "\n")
    print(f"{folder}: {time.time() - start:.0f} s")


def write_table(recipe: list[str], runs: Path, results: Path) -> None:
    """One line for each context that has a finished run of this recipe, with every seed there is."""
    runs_of = {name: [run for run in sorted(runs.glob(f"{name}-seed*")) if is_of(run, recipe)] for name in ROWS}
    finished = {name: own for name, own in runs_of.items() if own}
    models = {name: load_checkpoint(own[0] / "checkpoints" / "last.ckpt")[0] for name, own in finished.items()}
    milliseconds = time_per_image(models)
    rows = []
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
    shown = [argument for argument in recipe if not argument.startswith("data.root=")]
    lines = [
        f"CamVid, 101 validation frames at {SIZE[0]} x {SIZE[1]}, in percent: the last validation of each run, mean",
        "over the seeds (0 first). Time is the network on one frame, the median of rounds that take every one in turn.",
        "",
        f"`{' '.join(shown)}`, and the hidden sizes in `benchmarks/camvid_contexts.py`.",
        "",
        f"Times: {describe_machine(torch.device('cpu'))}.",
        "",
        f"| {' | '.join(rows[0])} |",
        f"|---|{'---:|' * (len(rows[0]) - 1)}",
        *(f"| {' | '.join(row.values())} |" for row in rows),
    ]
    results.mkdir(parents=True, exist_ok=True)
    (results / "camvid_contexts.md").write_text("\n".join(lines) + "\n")
    with (results / "camvid_contexts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print("\n".join(lines))


@torch.no_grad()
def time_per_image(models: dict[str, Segmenter], rounds: int = 7) -> dict[str, float]:
    """Milliseconds on one frame: the median over rounds that take every model in turn, after one that warms up."""
    image = torch.rand(1, 3, *SIZE)
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
