"""Pictures of what contexts see, and their measured costs, beside their descriptions."""

import csv
import io
import re
from pathlib import Path

import torch
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from PIL import Image

from segrnn.config.contexts import build_contexts
from segrnn.measure import effective_receptive_field

COSTS = Path(__file__).parent.parent.parent / "benchmarks/results/contexts/costs.csv"
CONF = Path(__file__).parent.parent.parent / "conf/context"
HEIGHT, WIDTH, CHANNELS = 32, 64, 64


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Draw `contexts/<name>.png` for each file of `conf/context/`."""
    names = sorted(leaf.stem for leaf in CONF.glob("*.yaml"))
    torch.manual_seed(0)
    for name, module in build_contexts(names, CHANNELS, hidden=32).items():
        field = effective_receptive_field(module, CHANNELS, (HEIGHT, WIDTH))
        shades = colormaps["magma"](LogNorm(vmin=1e-4, vmax=1, clip=True)(field.clamp(min=1e-5).numpy()), bytes=True)
        drawn = io.BytesIO()
        Image.fromarray(shades[..., :3]).resize((4 * WIDTH, 4 * HEIGHT), Image.Resampling.NEAREST).save(drawn, "PNG")
        files.append(File.generated(config, f"contexts/{name}.png", content=drawn.getvalue()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put rows of the measured table in place of a line `costs: <name> <name>`; a new context has none yet."""
    return re.sub(r"^costs: (.+)$", lambda found: _costs(found[1].split()), markdown, flags=re.MULTILINE)


def _costs(names: list[str]) -> str:
    with COSTS.open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file) if (row["height"], row["width"]) == ("64", "128")}
    lines = ["| `context=` | what the centre sees | parameters | GMAC | forward, ms | training, ms | MiB |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for name in names:
        lines.append(
            f"| [`{name}`](configuration/context.md#context{name}) | ![{name}](contexts/{name}.png){{ width=128 }} "
            + (_measured(rows[name]) if name in rows else "| not measured yet |  |  |  |  |")
        )
    return "\n".join(lines)


def _measured(row: dict[str, str]) -> str:
    return (
        f"| {int(row['parameters']):,} | {int(row['macs']) / 1e9:.2f} | {float(row['forward_ms']):.1f} "
        f"| {float(row['training_ms']):.1f} | {float(row['peak_mib']):.0f} |"
    )
