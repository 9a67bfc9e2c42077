"""Where the time of sweeps goes, and how far that is from what the machine can do: ``python benchmarks/sweeps.py``.

One line is a sweep along the columns and one along the rows of a channels_last map, both bidirectional. Their time is
split into the copies of the map into sequences and of the states back into a map (with the casts, as recurrences run in
single precision), the product of all inputs with their weights, and the rest: the steps. The floor is the longest of

- the bytes that must be moved: forward, the map is read and the states are written; backward, both are read again with
  the gradient of the states, and the gradient of the map is written;
- the multiply-accumulates, which the backward pass does twice as many of;
- the steps, one after the other: the time that one step of a single sequence takes.

Bandwidth, multiply-accumulates a second and the time of a step are measured in the same run.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_module
from rich.progress import track
from torch import Tensor

from segrnn.config.model import build_untrained
from segrnn.config.run import named_run
from segrnn.config.schema import Train, check
from segrnn.context import Sweep
from segrnn.measure import peak_memory
from segrnn.ops import from_sequences, to_sequences
from segrnn.ops.precision import single
from segrnn.reports import describe_machine

GATES = {"gru": 3, "lstm": 4}
PASSES = ("forward", "training")
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
    def positions(self) -> int:
        """Of the map, in all images."""
        return self.batch * self.height * self.width


@dataclass(frozen=True)
class Work:
    """A function of tensors with weights of its own."""

    function: Callable[..., Tensor | tuple[Tensor, ...]]
    inputs: Sequence[Tensor]
    weights: Sequence[Tensor] = ()

    def forward(self) -> None:
        """Without gradients."""
        with torch.no_grad():
            self.function(*self.inputs)

    def training(self) -> None:
        """Forward, and backward to all inputs and weights."""
        inputs = [tensor.detach().requires_grad_() for tensor in self.inputs]
        outputs = self.function(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        torch.autograd.grad(outputs, [*inputs, *self.weights], [torch.ones_like(output) for output in outputs])


def main() -> None:
    """Measure, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cells", nargs="+", choices=list(GATES), default=list(GATES))
    parser.add_argument("--hidden", nargs="+", type=int, default=[64, 128], help="units of each direction")
    parser.add_argument("--channels", nargs="+", type=int, default=[128, 256], help="of the map")
    parser.add_argument("--batches", nargs="+", type=int, default=[2, 8], help="images in the map")
    parser.add_argument("--maps", nargs="+", type=_size, default=[(45, 60), (64, 128), (128, 256)], help="45x60 ...")
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES), help="of the map")
    parser.add_argument("--repeats", type=int, default=10, help="rounds, whose medians count")
    parser.add_argument("--crop", type=_size, default=(512, 1024), help="of the training step")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="where the table goes")
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
        lines += [f"{title}:", "", *_table(own), ""]
    lines += [
        f"A training step of ResNet-50 and FPN with ReNets (`context=renet_gru`) on crops of {arguments.crop[0]} x "
        f"{arguments.crop[1]}, two at a time, {arguments.dtypes[-1]}:",
        "",
        *_table([measure_step(arguments.crop, DTYPES[arguments.dtypes[-1]], device, arguments.repeats)]),
    ]
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "sweeps.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _size(text: str) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def _table(rows: Sequence[dict[str, str]]) -> list[str]:
    head = list(rows[0])
    return [
        f"| {' | '.join(head)} |",
        f"|{'---:|' * len(head)}",
        *(f"| {' | '.join(row.values())} |" for row in rows),
    ]


def measure(setting: Setting, limits: "Limits", device: torch.device, repeats: int) -> dict[str, dict[str, str]]:
    """A line for each kind of pass."""
    parts = [split(setting, axis, device) for axis in (2, 3)]
    lines = {}
    for kind in PASSES:
        works = {f"{name} {axis}": getattr(part[name], kind) for axis, part in enumerate(parts) for name in part}
        times = time_all(works, device, repeats)
        copies, product, recurrence, whole = (
            sum(times[f"{name} {axis}"] for axis in range(len(parts)))
            for name in ("copies", "product", "recurrence", "whole")
        )
        floors = limits.floors(setting, kind)
        binding = max(floors, key=lambda name: floors[name])
        peak = max(peak_memory(getattr(part["whole"], kind), device) for part in parts)
        lines[kind] = {
            "map": f"{setting.batch}x{setting.channels}x{setting.height}x{setting.width}",
            "cell": f"{setting.cell}{setting.hidden}",
            "copies": f"{copies:.2f}",
            "products": f"{product:.2f}",
            "steps": f"{recurrence - product:.2f}",
            "whole": f"{whole:.2f}",
            "floor": f"{floors[binding]:.2f}",
            "set by": binding,
            "whole / floor": f"{whole / floors[binding]:.1f}",
            "MiB": f"{peak / 2**20:.0f}",
        }
    return lines


def split(setting: Setting, axis: int, device: torch.device) -> dict[str, Work]:
    """A sweep along one axis, whole and in parts."""
    dtype = DTYPES[setting.dtype]
    shape = setting.batch, setting.channels, setting.height, setting.width
    x = torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    sweep = Sweep(setting.channels, setting.hidden, axis, setting.cell).to(device)
    weights, sequences = tuple(sweep.parameters()), single(to_sequences(x, axis))
    states = torch.randn(*sequences.shape[:2], sweep.out_channels, device=device)
    # weights and biases of the input, of both directions
    by_input = [torch.cat([own[i] for own in sweep.rnn.all_weights]).detach().requires_grad_() for i in (0, 2)]

    def copies(x: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        back = from_sequences(states.to(dtype), axis, setting.batch, channels_last=True)
        return single(to_sequences(x, axis)), back

    return {
        "copies": Work(copies, (x, states)),
        "product": Work(lambda sequences: F.linear(sequences, *by_input), (sequences,), by_input),
        "recurrence": Work(lambda own: sweep.cell.recurrence(own, sweep.rnn.all_weights), (sequences,), weights),
        "whole": Work(sweep, (x,), weights),
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

    def floors(self, setting: Setting, kind: str) -> dict[str, float]:
        """Milliseconds of both sweeps that are bound by this and that."""
        times = 3 if kind == "training" else 1
        values = setting.positions * (setting.channels + 2 * setting.hidden)
        macs = 2 * setting.positions * GATES[setting.cell] * setting.hidden * (setting.channels + setting.hidden)
        return {
            "bytes": 2 * times * values * DTYPES[setting.dtype].itemsize / self.bandwidth,
            "products": 2 * times * macs / self.rates[setting.dtype],
            "steps": (setting.height + setting.width) * self._step(setting.cell, setting.hidden, kind),
        }

    def _step(self, cell: str, hidden: int, kind: str) -> float:
        """Milliseconds of one step: the difference between long and short sequences."""
        key = cell, hidden, kind
        if key not in self._steps:
            sweep = Sweep(hidden, hidden, 2, cell).to(self.device)
            works = {
                name: Work(sweep, (torch.randn(1, hidden, length, 1, device=self.device),), tuple(sweep.parameters()))
                for name, length in {"short": 64, "long": 320}.items()
            }
            times = time_all({name: getattr(work, kind) for name, work in works.items()}, self.device, self.repeats)
            self._steps[key] = (times["long"] - times["short"]) / (320 - 64)
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
        return time_all({"work": work}, self.device, self.repeats)["work"]


def time_all(works: dict[str, Callable[[], object]], device: torch.device, repeats: int) -> dict[str, float]:
    """Median milliseconds of each, after a round that warms up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            times[name].append(milliseconds(work, device))
    return {name: statistics.median(own[1:]) for name, own in times.items()}


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """Of one run, by the device's own clock."""
    if device.type == "cpu":
        start = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - start)
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    before.record()
    work()
    after.record()
    torch.cuda.synchronize(device)
    return float(before.elapsed_time(after))


def measure_step(crop: tuple[int, int], dtype: torch.dtype, device: torch.device, repeats: int) -> dict[str, str]:
    """Images a second, with and without ReNets, and the share of a step that they take."""
    images = torch.randn(2, 3, *crop, device=device).contiguous(memory_format=torch.channels_last)
    masks = torch.randint(19, (2, *crop), device=device)
    steps: dict[str, Callable[[], object]] = {}
    for context in ("none", "renet_gru"):
        overrides = ["encoder=resnet50", "encoder.weights=null", "model=fpn", f"context={context}"]
        with named_run(), initialize_config_module("segrnn.conf", version_base="1.3"):
            config = check(compose("train", overrides), Train)
        model = build_untrained(config, 19).to(device, memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

        def step(model: torch.nn.Module = model, optimizer: torch.optim.Optimizer = optimizer) -> None:
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss = F.cross_entropy(model(images), masks)
            loss.backward()
            optimizer.step()

        steps[context] = step
    times = time_all(steps, device, repeats)
    none, renet = times["none"], times["renet_gru"]
    return {
        "images a second": f"{2000 / renet:.2f}",
        "without context": f"{2000 / none:.2f}",
        "share of the step": f"{100 * (1 - none / renet):.1f}%",
        "MiB": f"{peak_memory(steps['renet_gru'], device) / 2**20:.0f}",
    }


if __name__ == "__main__":
    main()
