"""Tables of the time and memory of inference."""

import csv
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.table import Table

from segrnn.atomic import write_atomically, write_text
from segrnn.measure import Latency
from segrnn.terminal import PlainConsole

Latencies = Mapping[tuple[str, tuple[int, int]], Latency]
"""The latencies of inference, by the runtime and the image's height and width."""

_COLUMNS = ("image", "runtime", "ms", "images/s", "against eager", "MiB")
_LEGEND = (
    "ms: median time for one image, from pixels to train ids. against eager: how many times as fast as eager, measured "
    "side by side. MiB: peak memory of the process beyond what it has with the network loaded."
)


def print_latencies(latencies: Latencies, title: str) -> None:
    """Print a table of latencies."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in ("image", "runtime") else "right", no_wrap=True)
    for row in _rows(latencies):
        table.add_row(*row)
    PlainConsole().print(title, table, _LEGEND)


def write_latencies(latencies: Latencies, title: str, folder: Path) -> None:
    """Write ``inference.csv``, which has every single time, and ``inference.md``."""
    rows = "\n".join(f"| {' | '.join(row)} |" for row in _rows(latencies))
    head = f"| {' | '.join(_COLUMNS)} |\n|---|---|{'---:|' * (len(_COLUMNS) - 2)}"
    text = f"{title}\n\n{head}\n{rows}\n\n{_LEGEND}\n"
    write_text(folder / "inference.md", text)
    write_atomically(folder / "inference.csv", lambda path: _write_csv(latencies, path))


def _rows(latencies: Latencies) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for (runtime, size), latency in latencies.items():
        eager = latencies.get(("eager", size))
        rows.append(
            (
                f"{size[0]} x {size[1]}",
                runtime,
                f"{1000 * latency.median:.1f}",
                f"{1 / latency.median:.2f}",
                f"{eager.median / latency.median:.2f}" if eager else "-",
                f"{latency.peak_mib:.0f}" if latency.peak_mib is not None else "-",
            )
        )
    return rows


def _write_csv(latencies: Latencies, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "width", "runtime", "seconds", "peak_mib"])
        for (runtime, (height, width)), latency in latencies.items():
            for seconds in latency.seconds:
                writer.writerow([height, width, runtime, seconds, latency.peak_mib])
