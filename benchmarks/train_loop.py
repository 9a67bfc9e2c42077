"""Measure segrnn's training beside a plain loop in PyTorch: ``python benchmarks/train_loop.py``.

Both take the same steps: network, images, crops, loading processes, loss, optimizer, schedule and clipping are the
same, and so is the loss that they end with. segrnn's training is all that ``segrnn.train`` does, with its curves, its
bar (drawn into nothing) and its checks; starting, validating and saving are off the clock.

``--cityscapes N`` trains the recipe of ``experiment=cityscapes_40k`` on N drawn frames of 1024 x 2048 instead, with
several contexts. A GPU adds up in another order each time, so there the last losses may differ by a tenth.
"""

import argparse
import contextlib
import csv
import math
import os
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ |= {"FORCE_COLOR": "1", "TERM": "xterm"}  # without a terminal no bar would be drawn

import torch
from publish import publish, table
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from segrnn.config.allow_list import ALLOW_LIST
from segrnn.config.augment import build_augmentation
from segrnn.config.composition import compose
from segrnn.config.data import build_dataset
from segrnn.config.model import build_model
from segrnn.config.schema import Train
from segrnn.datasets import Augmented, EndlessSampler
from segrnn.datasets.demo_scenes import write_demo
from segrnn.instantiate import instantiate
from segrnn.processes import loading_processes
from segrnn.reports import describe_machine
from segrnn.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Iterator


NETWORKS = {
    "encoder=lite0 model=fcn_stride8": ["encoder=lite0", "model=fcn_stride8"],
    "encoder=resnet18 model=fcn": ["encoder=resnet18", "model=fcn"],
}
CITYSCAPES = {
    "none": ["context=none"],
    "pyramid_pooling": ["context=pyramid_pooling", "context.hidden=512"],
    "renet_gru": ["context=renet_gru", "context.hidden=64"],
}
_STRETCH = 10
"""The contexts that cityscapes_40k is measured with."""
RECIPE = ["encoder.weights=null", "data.crop=[128,128]", "data.batch_size=4", "data.workers=1", "schedule=poly"]
CITYSCAPES_RECIPE = ["experiment=cityscapes_40k", "encoder.weights=null", "auxiliary=none", "data.eval_batch_size=1"]


def main() -> None:
    """Measure in turn, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="the number of steps in each measurement that are timed")
    parser.add_argument("--start", type=int, default=10, help="the number of steps before them, which are not timed")
    parser.add_argument(
        "--pairs", type=int, default=5, help="the number of pairs of measurements; the table shows medians over them"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cityscapes", type=int, metavar="N", help="train cityscapes_40k on N drawn frames")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--overrides", nargs="*", default=[], help="more Hydra overrides, the same for both")
    arguments = parser.parse_args()
    if arguments.steps <= _STRETCH:
        parser.error(f"--steps must be more than {_STRETCH}, the steps over which a rate is taken")
    last, device = arguments.start + arguments.steps, torch.device(arguments.device)
    if last % _STRETCH:
        parser.error(
            f"--start and --steps must add up to a multiple of {_STRETCH}, because the curves have a loss to compare "
            "only there"
        )
    networks, recipe = (CITYSCAPES, CITYSCAPES_RECIPE) if arguments.cityscapes else (NETWORKS, RECIPE)
    recipe = [*recipe, f"trainer={'gpu' if device.type == 'cuda' else 'cpu'}", f"trainer.max_steps={last}"]
    recipe += [f"trainer.validate_every_n_steps={last}", f"checkpoint.every_n_steps={last}", *arguments.overrides]

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, network) in enumerate(networks.items()):
            if arguments.cityscapes and not number:
                write_demo(Path(folder, "demo"), train=arguments.cityscapes, val=1, size=(1024, 2048))
            config = compose(Train, [f"data.root={folder}/demo", *recipe, *network])
            runs = Path(folder, str(number))
            rows.append({"network": name, **measure(config, runs, arguments.pairs, arguments.start, device)})
    lines = [
        "Steps a second of training with `segrnn.train`, its curves, bar and checks included, and of a plain loop in",
        "PyTorch that takes the same steps: medians of measurements that take turns, each the median over stretches of",
        "ten steps. Starting, validating and saving are off the clock. The last columns are the share of its time in",
        "which the plain loop waits for data, and the most GPU memory that tensors took.",
        "",
        f"`{' '.join(recipe)}`, on drawn scenes; {arguments.pairs} pairs of {arguments.steps} steps.",
        "",
        f"{describe_machine(device)}.",
        "",
        *table(rows),
    ]
    publish("train_loop", lines, arguments.results)


def measure(config: Train, runs: Path, pairs: int, start: int, device: torch.device) -> dict[str, str]:
    """One line of the table."""
    rates: list[tuple[float, float]] = []
    waits: list[float] = []
    tolerance = 0.1 if device.type == "cuda" else 0.01
    for pair in range(pairs + 1):
        losses, rate = {}, {}
        for way in ("segrnn", "plain") if pair % 2 else ("plain", "segrnn"):  # neither always comes first
            with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), clock(start, device) as times:
                if way == "segrnn":
                    losses[way] = train_segrnn(config, runs / str(pair))
                else:
                    losses[way], waiting = train_plain(config, device)
                    waits.append(waiting / (times[-1] - times[0]))
            rate[way] = steps_per_second(times[start:])
        if not math.isclose(losses["segrnn"], losses["plain"], rel_tol=tolerance):
            sys.exit(f"error: the two loops don't take the same steps: their last losses are {losses}")
        rates.append((rate["segrnn"], rate["plain"]))
    measured = rates[1:]  # the first pair warms up
    segrnn, plain = (statistics.median(own) for own in zip(*measured, strict=True))
    return {
        "segrnn": f"{segrnn:.2f}",
        "plain": f"{plain:.2f}",
        "segrnn / plain": f"{segrnn / plain:.3f}",
        "in each pair": ", ".join(f"{own / other:.3f}" for own, other in measured),
        "segrnn, images/s": f"{segrnn * config.data.batch_size:.1f}",
        "waits %": f"{100 * statistics.median(waits[1:]):.0f}",
        "GiB": f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f}" if device.type == "cuda" else "",
    }


def steps_per_second(times: list[float]) -> float:
    """The median over stretches of ten steps, in each of which curves are written once: others use this machine too."""
    stretches = [after - before for before, after in zip(times, times[_STRETCH:], strict=False)]
    return _STRETCH / statistics.median(stretches)


@contextlib.contextmanager
def clock(start: int, device: torch.device) -> "Iterator[list[float]]":
    """The time at the beginning and after each step of any optimizer."""
    times = [time.perf_counter()]

    def note(*_: Any) -> None:
        if device.type == "cuda" and len(times) >= start:
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    hook = register_optimizer_step_post_hook(note)
    try:
        yield times
    finally:
        hook.remove()


def train_segrnn(config: Train, run_dir: Path) -> float:
    """The last step's loss."""
    train(config, run_dir)
    with (run_dir / "csv" / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]][-1]


def train_plain(config: Train, device: torch.device) -> tuple[float, float]:
    """The last step's loss, and the seconds in which the loop waited for data."""
    data, steps, seed = config.data, config.trainer.max_steps, config.seed
    torch.manual_seed(seed)
    dataset = build_dataset(data, data.train_split)
    augmented = Augmented(dataset, build_augmentation(data, dataset.labels.num_classes, seed))
    order = EndlessSampler(len(dataset), seed)
    workers = loading_processes(data.workers)
    loader = DataLoader(augmented, data.batch_size, sampler=order, num_workers=workers)
    model, info = build_model(config, dataset.labels, ())
    memory_format = torch.channels_last if config.trainer.channels_last == "true" else torch.contiguous_format
    model.to(device, memory_format=memory_format).train()
    half = torch.autocast(device.type, torch.bfloat16, enabled=config.trainer.precision == "bf16-mixed")
    criterion = instantiate(config.loss, "loss", ALLOW_LIST)
    optimizer = instantiate(config.optimizer, "optimizer", ALLOW_LIST)(model)
    schedule = instantiate(config.schedule, "schedule", ALLOW_LIST)(optimizer, steps)
    waiting, ready = 0.0, time.perf_counter()
    for images, masks in islice(loader, steps):
        waiting += time.perf_counter() - ready
        optimizer.zero_grad()
        pixels = info.preprocessing.normalize(images.to(device)).to(memory_format=memory_format)
        with half:
            loss = criterion(model(pixels), masks.to(device).long())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.trainer.gradient_clip_val or math.inf)
        optimizer.step()
        schedule.step()
        ready = time.perf_counter()
    return float(loss.detach()), waiting


if __name__ == "__main__":
    main()
