"""Measure what makes segrnn fast on a CPU, one thing after the other: ``python benchmarks/cpu.py``.

Every way has a process of its own and the same work; each round lets all of them do it once, in turn, so that a machine
that slows down slows all of them. Medians count. CPU seconds are those of user and system together, which other
processes on the machine change least.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from publish import publish
from rich.progress import Progress

if TYPE_CHECKING:
    from segrnn.inference import ModelInfo
    from segrnn.models import Segmenter

Step = Callable[[], object]
DEMO: list[str] = []  # what train.yaml has
QUICK = ["model=fcn", "context=local_global"]
STRIDE8 = ["model=fcn_stride8", "context=renet_gru"]


@dataclass(frozen=True)
class Way:
    """How the same work is done.

    Args:
        keep: whether freed memory is kept.
        fast: the memory format channels_last in training, the prepared network in inference.
        onnx: whether ONNX Runtime computes the network.
        environment: variables that the process starts with.
    """

    keep: bool = False
    fast: bool = False
    onnx: bool = False
    environment: tuple[tuple[str, str], ...] = ()


HUGE = (("THP_MEM_ALLOC_ENABLE", "1"),)
TRAINING = {
    "all off": Way(),
    "huge pages (THP_MEM_ALLOC_ENABLE=1)": Way(environment=HUGE),
    "memory kept": Way(keep=True),
    "channels_last": Way(fast=True),
    "both (the default)": Way(keep=True, fast=True),
}
INFERENCE = {
    "all off": Way(),
    "huge pages (THP_MEM_ALLOC_ENABLE=1)": Way(environment=HUGE),
    "memory kept": Way(keep=True),
    "memory kept, network prepared (the default)": Way(keep=True, fast=True),
    "ONNX Runtime (runtime=onnx), memory kept": Way(keep=True, onnx=True),
}


class Cost(NamedTuple):
    """Of one repetition."""

    wall: float
    cpu: float
    faults: int


def main() -> None:
    """Measure in turn, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="the number of rounds; the table shows medians over them. One more round warms up",
    )
    parser.add_argument("--threads", type=int, default=1, help="the number of threads in each process")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="the factor for the sides of all images; use a factor below 1 for a trial",
    )
    parser.add_argument("--only", nargs="*", default=None, help="measure only tasks whose names contain these words")
    parser.add_argument(
        "--preload",
        nargs="*",
        default=[],
        metavar="LIBRARY",
        help="memory allocators to compare with: files of jemalloc or tcmalloc, loaded before all other libraries",
    )
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    side = lambda length: max(32, round(length * arguments.scale / 32) * 32)  # noqa: E731
    allocators = {
        f"as the default, but {Path(file).name} in place of kept memory": Way(
            fast=True, environment=(("LD_PRELOAD", file),)
        )
        for file in arguments.preload
    }
    training, inference = TRAINING | allocators, INFERENCE | allocators
    works: dict[str, tuple[Mapping[str, Way], Callable[[Way], Step]]] = {
        "a training step of the demo, 8 x 128 x 256": (
            training,
            partial(train, DEMO, 8, side(128), side(256)),
        ),
        "a training step of `camvid_quick`, 16 x 224 x 320": (
            training,
            partial(train, QUICK, 16, side(224), side(320)),
        ),
        "a training step of `fcn_stride8` + `renet_gru`, 8 x 640 x 448": (
            training,
            partial(train, STRIDE8, 8, side(640), side(448)),
        ),
        "a mask of 1024 x 2048 by the network of `camvid_quick`": (
            inference,
            partial(label, QUICK, side(1024), side(2048)),
        ),
        "a mask of 512 x 1024 by `fcn_stride8` + `renet_gru`": (
            inference,
            partial(label, STRIDE8, side(512), side(1024)),
        ),
    }
    chosen = {
        name: work for name, work in works.items() if not arguments.only or any(w in name for w in arguments.only)
    }
    lines = [
        "CPU seconds, wall seconds, page faults and peak memory of each way; medians of",
        f"{arguments.rounds} rounds, random weights and images. {describe(arguments.threads)}.",
    ]
    if arguments.scale != 1:
        lines.append(f"A trial: sides are {arguments.scale} of what is written.")
    for name, (ways, prepare) in chosen.items():
        lines += ["", f"### {name}", "", "| way | CPU s | times as fast | wall s | page faults | peak MiB |"]
        lines += ["|---|---:|---:|---:|---:|---:|", *measure(ways, prepare, arguments.rounds, arguments.threads)]
    publish("cpu", lines, arguments.results)


def measure(ways: Mapping[str, Way], prepare: Callable[[Way], Step], rounds: int, threads: int) -> list[str]:
    """A row of the table for each way."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    context = multiprocessing.get_context("spawn")  # a fork would share what the parent holds
    with ExitStack() as stack, Progress() as progress:
        pools = {}
        for name, way in ways.items():
            os.environ |= {"OMP_NUM_THREADS": str(threads), **dict(way.environment)}
            pools[name] = stack.enter_context(ProcessPoolExecutor(1, mp_context=context))
            pools[name].submit(_prepare, prepare, way).result()
            for variable, _ in way.environment:
                del os.environ[variable]
        bar = progress.add_task("measure", total=(rounds + 1) * len(ways))
        for _ in range(rounds + 1):
            for name, pool in pools.items():
                costs[name].append(pool.submit(_run).result())
                progress.advance(bar)
        peaks = {name: pool.submit(_peak).result() for name, pool in pools.items()}
    medians = {name: Cost(*map(statistics.median, zip(*own[1:], strict=True))) for name, own in costs.items()}
    first = next(iter(medians.values()))
    return [
        f"| {name} | {cost.cpu:.3f} | {first.cpu / cost.cpu:.2f} | {cost.wall:.3f} | {cost.faults:,.0f} "
        f"| {peaks[name]:,} |"
        for name, cost in medians.items()
    ]


def train(overrides: Sequence[str], batch: int, height: int, width: int, way: Way) -> Step:
    """A step on a batch of random crops, without data and curves."""
    import torch

    from segrnn.training import make_lean

    model, info = _build(overrides)
    model.train()
    if way.fast:
        make_lean(model)
    memory_format = torch.channels_last if way.fast else torch.contiguous_format
    model.to(memory_format=memory_format)
    optimizer, loss = torch.optim.AdamW(model.parameters()), torch.nn.CrossEntropyLoss()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)
    masks = torch.randint(11, (batch, height, width), generator=generator)

    def step() -> None:
        pixels = info.preprocessing.normalize(images).to(memory_format=memory_format)
        optimizer.zero_grad()
        loss(model.forward_with_auxiliary(pixels)[0], masks).backward()
        optimizer.step()

    return step


def label(overrides: Sequence[str], height: int, width: int, way: Way) -> Step:
    """The mask of a random image."""
    import numpy as np

    from segrnn.export import Exported, OnnxModel, OnnxNetwork, export_onnx
    from segrnn.export.prediction import Coarse
    from segrnn.inference import Network, Predictor, find_fusions, prepare

    model, info = _build(overrides)
    model.eval()
    network: Network = model
    if way.onnx:
        with TemporaryDirectory() as folder:
            export_onnx(Exported(Coarse(model), None, argmax=False), Path(folder) / "model.onnx", None, {})
            network = OnnxNetwork(OnnxModel(Path(folder) / "model.onnx"), info.preprocessing, model.upsample)
    elif way.fast:
        network = prepare(model, find_fusions(model))
    image = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    return partial(Predictor(network, info).mask, image)


def _build(overrides: Sequence[str]) -> "tuple[Segmenter, ModelInfo]":
    import torch

    from segrnn.config.composition import compose
    from segrnn.config.model import build_untrained
    from segrnn.config.schema import Train

    torch.manual_seed(0)
    return build_untrained(compose(Train, [*overrides, "encoder.weights=null"]), 11)


_step: Step


def _prepare(prepare: Callable[[Way], Step], way: Way) -> None:
    from segrnn.memory import keep_freed_memory

    global _step
    if way.keep:
        keep_freed_memory()
    _step = prepare(way)


def _run() -> Cost:
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    _step()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(wall, cpu, after.ru_minflt - before.ru_minflt)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def describe(threads: int) -> str:
    """The machine, the versions and the day."""
    import torch

    from segrnn.reports import describe_machine

    torch.set_num_threads(threads)
    return f"{describe_machine(torch.device('cpu'))}; {' '.join(platform.libc_ver())}"


if __name__ == "__main__":
    main()
