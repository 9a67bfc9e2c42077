"""The costs and receptive fields of contexts, as tables and pictures."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.colors import LogNorm
from rich import box
from rich.table import Table
from torch import Tensor

from segrnn.atomic import write_atomically, write_text
from segrnn.measure import Cost
from segrnn.reports.figures import picture
from segrnn.terminal import PlainConsole

_COLUMNS = ("context", "map", "params", "GMAC", "fwd ms", "train ms", "GMAC/s", "MiB")

_LEGEND = (
    "GMAC: multiply-accumulates of one forward pass, in thousand millions. fwd: time of a forward pass without "
    "gradients. train: time of a forward and a backward pass. Both times are medians. GMAC/s: the rate of the forward "
    "pass. MiB: the peak of memory in training."
)


def print_costs(costs: Sequence[Cost], title: str) -> None:
    """Print a table of costs for each size of the map."""
    console = PlainConsole()
    console.print(title)
    for size in dict.fromkeys(map(_size, costs)):
        table = Table(title=f"map of {size}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column in _without_size(_COLUMNS):
            table.add_column(column, justify="left" if column == "context" else "right", no_wrap=True)
        for cost in costs:
            if _size(cost) == size:
                table.add_row(*_without_size(_row(cost)))
        console.print(table)
    console.print(_LEGEND)


def write_costs(costs: Sequence[Cost], title: str, folder: Path) -> None:
    """Write costs to ``costs.csv``, ``costs.md`` and ``costs.png``."""
    write_atomically(folder / "costs.csv", lambda path: _write_csv(costs, path))
    write_text(folder / "costs.md", _markdown(costs, title))
    _draw_costs(costs, title, folder / "costs.png")


def draw_receptive_fields(fields: Mapping[str, Tensor], title: str, path: Path) -> None:
    """Draw the receptive field of each context as a panel, on a logarithmic scale.

    Args:
        fields: how much the centre of a context's output depends on each position, ``(H, W)``, by the context's name.
        title: the title of the picture.
        path: the file of the picture.
    """
    columns = 4
    rows = -(-len(fields) // columns)
    height, width = next(iter(fields.values())).shape
    with picture(path, (13, rows * (13 / columns * height / width + 0.3) + 0.8), dpi=90) as figure:
        figure.suptitle(title, fontsize=10)
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for axis in axes:
            axis.set_axis_off()
        norm = LogNorm(vmin=1e-4, vmax=1, clip=True)
        for axis, (name, field) in zip(axes, fields.items(), strict=False):
            image = axis.imshow(field.clamp(min=1e-4).numpy(), cmap="magma", norm=norm)
            axis.set_title(name, fontsize=9)
        figure.colorbar(image, ax=axes, label="gradient, relative to its maximum", shrink=0.6)


def _row(cost: Cost) -> tuple[str, ...]:
    return (
        cost.name,
        _size(cost),
        f"{cost.parameters:,}",
        f"{cost.macs / 1e9:.3f}",
        f"{cost.forward_ms:.1f}",
        f"{cost.training_ms:.1f}",
        f"{cost.macs / 1e6 / cost.forward_ms:.1f}",
        f"{cost.peak_mib:.1f}",
    )


def _without_size(cells: tuple[str, ...]) -> tuple[str, ...]:
    return cells[:1] + cells[2:]


def _size(cost: Cost) -> str:
    return f"{cost.height} x {cost.width}"


def _write_csv(costs: Sequence[Cost], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Cost)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(cost) for cost in costs)


def _markdown(costs: Sequence[Cost], title: str) -> str:
    lines = [title, "", _LEGEND, "", _line(_COLUMNS), _line(["---", "---"] + ["---:"] * (len(_COLUMNS) - 2))]
    return "\n".join([*lines, *(_line(_row(cost)) for cost in costs)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _draw_costs(costs: Sequence[Cost], title: str, path: Path) -> None:
    names = list(dict.fromkeys(cost.name for cost in costs))
    with picture(path, (12, 6), dpi=90) as figure:
        figure.suptitle(title, fontsize=9)
        time, memory = figure.subplots(1, 2)
        for i, name in enumerate(names):
            own = [cost for cost in costs if cost.name == name]
            pixels = [cost.height * cost.width for cost in own]
            style = {"marker": "osv^Dp*"[i % 7], "linestyle": ("-", "--", ":")[i // 10 % 3], "color": f"C{i % 10}"}
            time.plot(pixels, [cost.training_ms for cost in own], label=name, **style)
            memory.plot(pixels, [cost.peak_mib for cost in own], **style)
        for axis, label in ((time, "forward and backward, ms"), (memory, "peak memory, MiB")):
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.set_xlabel("positions of the map")
            axis.set_ylabel(label)
            axis.grid(alpha=0.3)
        figure.legend(loc="outside right center", fontsize=8)
