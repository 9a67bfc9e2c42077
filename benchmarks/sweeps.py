"""Where the time of sweeps goes, and how far that is from what the machine can do: ``python benchmarks/sweeps.py``.

One line is a sweep along the columns and one along the rows of a channels_last map, both bidirectional. Their time is
split into the copies of the map into sequences and of the states back into a map (with the casts, as recurrences run in
single precision), the product of all inputs with their weights, and the rest: the steps. The floor is the longest of

- the bytes that must be moved: forward, the map is read and the states are written; backward, both are read again with
  the gradient of the states, and the gradient of the map is written;
- the multiply-accumulates, which the backward pass does twice as many of;
- the steps, one after the other: the time that one step of a single sequence takes.

Bandwidth, multiply-accumulates a second and the time of a step are measured in the same run.

A second table has whole contexts of the same hidden size side by side. Their floor by bytes is what any context needs:
forward, the map is read and another is written; training moves three times as much.
"""

import argparse
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from publish import publish, table
from rich.progress import track
from torch import Tensor, nn

from segrnn.config.composition import compose
from segrnn.config.contexts import build_contexts
from segrnn.config.model import build_untrained
from segrnn.config.schema import Train
from segrnn.context import Sweep
from segrnn.measure import count_macs, peak_memory, run_forward, run_training, seconds
from segrnn.ops import from_sequences, to_sequences
from segrnn.ops.precision import single
from segrnn.reports import describe_machine

PASSES = {"forward": run_forward, "training": run_training}
CONTEXTS = [
    "convolutions",
    "axial_attention",
    "axial_decay",
    "lateral_sweep",
    "scnn",
    "renet_gru",
    "renet_lstm",
    "renet_mingru",
]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Setting:
    """Of one measurement."""

    cell: str
    hidden: int
    channels: int
    batch: int
    height: int
    width: int
    dtype: str

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the map, ``(B, C, H, W)``."""
        return self.batch, self.channels, self.height, self.width


class Part(nn.Module):
    """A function of one tensor, and the layer whose weights it uses."""

    def __init__(self, function: Callable[[Tensor], Tensor], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.function, self.layer = function, layer

    def forward(self, x: Tensor) -> Tensor:
        """As the function says."""
        return self.function(x)


def main() -> None:
    """Measure, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cells", nargs="+", choices=["gru", "lstm"], default=["gru", "lstm"])
    parser.add_argument(
        "--hidden", nargs="+", type=int, default=[64, 128], help="the number of units in each direction"
    )
    parser.add_argument("--channels", nargs="+", type=int, default=[128, 256], help="the number of channels of the map")
    parser.add_argument("--batches", nargs="+", type=int, default=[2, 8], help="the number of images in the map")
    parser.add_argument(
        "--maps",
        nargs="+",
        type=_size,
        default=[(45, 60), (64, 128), (128, 256)],
        help="heights and widths of the maps, 45x60 ...",
    )
    parser.add_argument(
        "--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES), help="the data types of the map"
    )
    parser.add_argument(
        "--contexts", nargs="*", default=CONTEXTS, help="files of conf/context/ that are measured side by side"
    )
    parser.add_argument(
        "--repeats", type=int, default=10, help="the number of rounds; the table shows medians over them"
    )
    parser.add_argument(
        "--crop", type=_size, default=(512, 1024), help="height and width of the crops in the training step"
    )
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.manual_seed(0)

    combinations = itertools.product(
        arguments.dtypes, arguments.cells, arguments.hidden, arguments.maps, arguments.batches, arguments.channels
    )
    settings = [
        Setting(cell, hidden, channels, batch, *size, dtype)
        for dtype, cell, hidden, size, batch, channels in combinations
    ]
    limits = Limits(device, arguments.repeats)
    rows: dict[str, list[dict[str, str]]] = {}
    for setting in track(settings, description="sweeps"):
        for kind, row in measure(setting, limits, device, arguments.repeats).items():
            rows.setdefault(f"{setting.dtype}, {kind}", []).append(row)
    lines = [
        "Milliseconds of a sweep down and up the columns and of one along the rows of a channels_last map: copies (and",
        "casts), input products, steps, and all of it in one; the floor, and what sets it; and the most memory of a",
        f"pass. Medians of {arguments.repeats} rounds in which all take turns.",
        "",
        f"{describe_machine(device)}; {limits}.",
        "",
    ]
    for title, own in rows.items():
        lines += [f"{title}:", "", *table(own), ""]
    for dtype in arguments.dtypes if arguments.contexts else ():
        lines += [f"Whole contexts, {dtype}:", ""]
        shapes = list(itertools.product(arguments.batches, arguments.channels, arguments.maps))
        rows_of = [
            measure_contexts(arguments.contexts, hidden, (batch, channels, *size), dtype, limits)
            for hidden in arguments.hidden
            for batch, channels, size in shapes
        ]
        lines += [*table(list(itertools.chain(*rows_of))), ""]
    lines += [
        f"A training step of ResNet-50 and FPN with ReNets (`context=renet_gru`) on crops of {arguments.crop[0]} x "
        f"{arguments.crop[1]}, two at a time, {arguments.dtypes[-1]}:",
        "",
        *table([measure_step(arguments.crop, DTYPES[arguments.dtypes[-1]], device, arguments.repeats)]),
    ]
    publish("sweeps", lines, arguments.results)


def _size(text: str) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def measure(setting: Setting, limits: "Limits", device: torch.device, repeats: int) -> dict[str, dict[str, str]]:
    """A line for each kind of pass."""
    x = torch.randn(setting.shape, device=device, dtype=DTYPES[setting.dtype])
    x = x.contiguous(memory_format=torch.channels_last)
    sweeps = {axis: Sweep(setting.channels, setting.hidden, axis, setting.cell).to(device) for axis in (2, 3)}
    parts = {(name, axis): part for axis in sweeps for name, part in split(sweeps[axis], x).items()}
    lines = {}
    for kind, run in PASSES.items():
        times = take_turns({key: partial(run, *part) for key, part in parts.items()}, device, repeats)
        spent = {name: sum(times[name, axis] for axis in sweeps) for name, _ in parts}
        floors = limits.floors(setting, sweeps[2], kind)
        binding = max(floors, key=lambda name: floors[name])
        peak = max(peak_memory(partial(run, sweep, x), device) for sweep in sweeps.values())
        lines[kind] = {
            "map": "x".join(map(str, setting.shape)),
            "cell": f"{setting.cell}{setting.hidden}",
            "copies": f"{spent['in'] + spent['out']:.2f}",
            "products": f"{spent['product']:.2f}",
            "steps": f"{spent['recurrence'] - spent['product']:.2f}",
            "whole": f"{spent['whole']:.2f}",
            "floor": f"{floors[binding]:.2f}",
            "set by": binding,
            "whole / floor": f"{spent['whole'] / floors[binding]:.1f}",
            "MiB": f"{peak / 2**20:.0f}",
        }
    return lines


def measure_contexts(
    names: Sequence[str], hidden: int, shape: tuple[int, int, int, int], dtype: str, limits: "Limits"
) -> list[dict[str, str]]:
    """A line for each context, on a channels_last map. Half precision is autocast's, as in training."""
    device, repeats = limits.device, limits.repeats
    x = torch.randn(shape, device=device, dtype=DTYPES[dtype]).contiguous(memory_format=torch.channels_last)
    modules = {name: module.to(device) for name, module in build_contexts(names, shape[1], hidden).items()}
    floor = 2 * x.numel() * x.itemsize / limits.bandwidth

    def in_precision(run: Callable[[nn.Module, Tensor], None], module: nn.Module) -> None:
        with torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "float32"):
            run(module, x)

    times = take_turns(
        {
            (name, kind): partial(in_precision, run, module)
            for name, module in modules.items()
            for kind, run in PASSES.items()
        },
        device,
        repeats,
    )
    return [
        {
            "map": "x".join(map(str, shape)),
            "context": f"{name} {hidden}",
            "forward ms": f"{times[name, 'forward']:.2f}",
            "/ floor by bytes": f"{times[name, 'forward'] / floor:.1f}",
            "training ms": f"{times[name, 'training']:.2f}",
            "/ floor by bytes ": f"{times[name, 'training'] / (3 * floor):.1f}",
            "MiB": f"{peak_memory(partial(in_precision, run_training, module), device) / 2**20:.0f}",
        }
        for name, module in modules.items()
    ]


def split(sweep: Sweep, x: Tensor) -> dict[str, tuple[nn.Module, Tensor]]:
    """A sweep over a map, whole and in parts, each with what it is given."""
    sequences = single(to_sequences(x, sweep.axis))
    states = torch.randn(*sequences.shape[:2], sweep.out_channels, device=x.device)
    gates = sum(len(weights) for weights, *_ in sweep.rnn.all_weights)

    def cut(x: Tensor) -> Tensor:
        return single(to_sequences(x, sweep.axis))

    def join(states: Tensor) -> Tensor:
        return from_sequences(states.to(x.dtype), sweep.axis, len(x), channels_last=True)

    def recur(sequences: Tensor) -> Tensor:
        return sweep.cell.recurrence(sequences, sweep.rnn.all_weights)

    return {
        "in": (Part(cut), x),
        "out": (Part(join), states),
        "product": (nn.Linear(sweep.channels, gates, device=x.device), sequences),
        "recurrence": (Part(recur, sweep.rnn), sequences),
        "whole": (sweep, x),
    }


class Limits:
    """What the machine can do, measured on it."""

    def __init__(self, device: torch.device, repeats: int) -> None:
        self.device, self.repeats = device, repeats
        large = 2**28 if device.type == "cuda" else 2**26
        source, target = torch.zeros(2, large, dtype=torch.uint8, device=device)
        self.bandwidth = 2 * large / self._milliseconds(partial(target.copy_, source))
        self.rates = {name: self._rate(dtype) for name, dtype in DTYPES.items()}
        self._steps: dict[tuple[str, int, str], float] = {}

    def __str__(self) -> str:
        rates = " and ".join(f"{rate / 1e9:.2f} ({name})" for name, rate in self.rates.items())
        return f"{self.bandwidth / 1e6:.0f} GB/s in copying, {rates} tera multiply-accumulates a second"

    def floors(self, setting: Setting, sweep: Sweep, kind: str) -> dict[str, float]:
        """Milliseconds of a sweep along each axis that are bound by this and that."""
        times = 3 if kind == "training" else 1
        values = setting.batch * setting.height * setting.width * (setting.channels + 2 * setting.hidden)
        return {
            "bytes": 2 * times * values * DTYPES[setting.dtype].itemsize / self.bandwidth,
            "products": 2 * times * count_macs(sweep, torch.Size(setting.shape)) / self.rates[setting.dtype],
            "steps": (setting.height + setting.width) * self._step(setting.cell, setting.hidden, kind),
        }

    def _step(self, cell: str, hidden: int, kind: str) -> float:
        """Milliseconds of one step: the difference between long and short sequences."""
        key = cell, hidden, kind
        if key not in self._steps:
            sweep = Sweep(hidden, hidden, 2, cell).to(self.device)
            maps = {length: torch.randn(1, hidden, length, 1, device=self.device) for length in (64, 320)}
            works = {length: partial(PASSES[kind], sweep, x) for length, x in maps.items()}
            times = take_turns(works, self.device, self.repeats)
            self._steps[key] = (times[320] - times[64]) / (320 - 64)
        return self._steps[key]

    def _rate(self, dtype: torch.dtype) -> float:
        """Multiply-accumulates in a millisecond; of single precision as cuDNN has them, with shorter factors."""
        size = 8192 if self.device.type == "cuda" else 2048
        matrix = torch.randn(size, size, device=self.device, dtype=dtype)
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        rate = size**3 / self._milliseconds(lambda: matrix @ matrix)
        torch.set_float32_matmul_precision(before)
        return float(rate)

    def _milliseconds(self, work: Callable[[], object]) -> float:
        return take_turns({"work": work}, self.device, self.repeats)["work"]


def take_turns(works: Mapping[Any, Callable[[], object]], device: torch.device, repeats: int) -> dict[Any, float]:
    """Median milliseconds of each, after a round that warms up."""
    rounds = run_rounds(works, device, repeats)
    return {name: 1000 * statistics.median(times[name] for times in rounds) for name in works}


def run_rounds(works: Mapping[Any, Callable[[], object]], device: torch.device, repeats: int) -> list[dict[Any, float]]:
    """Seconds of each in each round but a first one."""
    return [{name: seconds(work, device) for name, work in works.items()} for _ in range(repeats + 1)][1:]


def measure_step(crop: tuple[int, int], dtype: torch.dtype, device: torch.device, repeats: int) -> dict[str, str]:
    """Images a second, with and without ReNets, and the share of a step that they take."""
    images = torch.randn(2, 3, *crop, device=device).contiguous(memory_format=torch.channels_last)
    masks = torch.randint(19, (2, *crop), device=device)
    steps: dict[str, Callable[[], object]] = {}
    for context in ("none", "renet_gru"):
        overrides = ["encoder=resnet50", "encoder.weights=null", "model=fpn", f"context={context}"]
        model = build_untrained(compose(Train, overrides), 19)[0].to(device, memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

        def step(model: torch.nn.Module = model, optimizer: torch.optim.Optimizer = optimizer) -> None:
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss = F.cross_entropy(model(images), masks)
            loss.backward()
            optimizer.step()

        steps[context] = step
    rounds = run_rounds(steps, device, repeats)
    none, renet = (statistics.median(times[context] for times in rounds) for context in steps)
    shares = sorted(100 * (1 - times["none"] / times["renet_gru"]) for times in rounds)
    return {
        "images a second": f"{2 / renet:.2f}",
        "without context": f"{2 / none:.2f}",
        "% of the step": f"{statistics.median(shares):.1f}",
        "of single rounds": f"{shares[0]:.1f} to {shares[-1]:.1f}",
        "MiB": f"{peak_memory(steps['renet_gru'], device) / 2**20:.0f}",
    }


if __name__ == "__main__":
    main()
