"""Pages of `conf/`, so that what they say can't go stale: one for each group, and one of the commands."""

from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from segrnn.config.data_knobs import Data
from segrnn.config.knobs import REQUIRED, describe_knobs
from segrnn.config.schemas import schema_of

ROOT = Path(__file__).parent.parent.parent
CONF = ROOT / "conf"
COMMANDS = {
    "train": "segrnn.train",
    "evaluate": "segrnn.evaluate",
    "predict": "segrnn.predict",
    "export": "segrnn.export",
    "demo": "segrnn.demo",
    "search": "segrnn.search",
    "runs": "segrnn.runs",
    "report": "segrnn.report",
    "benchmark_contexts": "segrnn.benchmark contexts",
    "benchmark_inference": "segrnn.benchmark inference",
    "prepare_download": "segrnn.prepare download",
    "prepare_check": "segrnn.prepare check",
    "prepare_look": "segrnn.prepare look",
    "prepare_stats": "segrnn.prepare stats",
    "prepare_extract": "segrnn.prepare extract",
    "prepare_pack": "segrnn.prepare pack",
    "prepare_import_kraken": "segrnn.prepare import_kraken",
    "prepare_import_polygons": "segrnn.prepare import_polygons",
}
GROUPS = {
    "augment": "Random changes of training crops. [Your own](../own_images.md#random-changes-of-the-images).",
    "auxiliary": "A second classifier on a middle map, in training only.",
    "context": "Modules that look along rows and columns, and their rivals. [What they compute](../contexts.md).",
    "data": "The images, and how they are cropped and augmented. [Their trees](../datasets.md).",
    "debug": "Short runs that answer a question. They can be combined with every other choice.",
    "download": "The addresses of archives for `python -m segrnn.prepare download`. The choice follows `data=`.",
    "encoder": "The first part of the network, and its pretrained weights.",
    "engine": "What shares out the images of `segrnn.predict` to processes. "
    "[Very many images](../scaling.md#label-very-many-images-with-ray).",
    "experiment": "Whole recipes. Each file holds what differs from the defaults, and the score it aims at.",
    "hydra/launcher": "The place where the runs of a sweep (`-m`) are executed.",
    "logger": "Dashboards, beside the CSV file that every run writes. [What they show](../dashboards.md).",
    "loss": "Losses. All of them count valid pixels only.",
    "model": "The decoder that paints the mask.",
    "optimizer": "Optimizers, with learning rates of their own for the encoder and the recurrences.",
    "schedule": "How the learning rates change over a run.",
    "trainer": "The devices and processes of a run. [The command's own keys](index.md#python-m-segrnntrain) set "
    "its length, its precision and its use of memory.",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    files.append(File.generated(config, "configuration/index.md", content=_commands()))
    for group in GROUPS:
        page = f"configuration/{group.replace('/', '_')}.md"
        files.append(File.generated(config, page, content=_group(group)))
    missing = {str(leaf.parent.relative_to(CONF)) for leaf in CONF.glob("*/**/*.yaml")} - {*GROUPS, "hydra/help"}
    if missing:
        raise ValueError(f"docs/hooks/configuration.py does not say what these groups of conf/ are: {missing}")
    return files


def _commands() -> str:
    """Every command's own keys and defaults."""
    groups = "\n".join(f"| [`{name}=`]({name.replace('/', '_')}.md) | {text} |" for name, text in GROUPS.items())
    parts = [
        "# Configuration\n\n"
        "Everything is a [Hydra](https://hydra.cc) override: `group=option` chooses a file of a group, `key=value` "
        "changes one value, `-m key=a,b` runs both. `--help` lists them, `--cfg job` shows a whole configuration. "
        "Unknown keys, wrong types and values out of range end a command at once, with what exists and what was "
        "probably meant. The pages here are made from the files of `conf/`.\n\n"
        f"| group | |\n|---|---|\n{groups}\n"
    ]
    for file, command in COMMANDS.items():
        about = (
            yaml.safe_load((CONF / f"{file}.yaml").read_text())["hydra"]["help"]["header"].split("Groups,")[0].strip()
        )
        schema = schema_of(file)
        assert schema is not None
        own = [row for row in describe_knobs(schema) if not row[0].startswith("data.")]
        parts.append(f"## `python -m {command}`\n\n{about}\n\n{_table(own)}\n")
    return "\n".join(parts)


def _table(rows: list[tuple[str, Any, str]]) -> str:
    """Keys, defaults and what they do."""
    lines = [f"| `{key}` | `{_write(value)}` | {about.replace('|', '&#124;')} |" for key, value, about in rows]
    return "\n".join(["| key | default | |", "|---|---|---|", *lines])


def _write(value: Any) -> str:
    """A value as on the command line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
    return "needed" if value == REQUIRED else text


def _group(group: str) -> str:
    """A group's files: the comment at their top, and what they hold."""
    parts = [f"# {group}\n\n{GROUPS[group]}\n"]
    if group == "data":
        parts.append(f"The defaults of the keys that a file leaves out:\n\n{_table(describe_knobs(Data, 'data.'))}\n")
    for leaf in sorted((CONF / group).glob("*.yaml")):
        lines = leaf.read_text().strip().splitlines()
        top = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        comment = " ".join(line.removeprefix("#").strip() for line in lines[:top] if not line.startswith("# @package"))
        body = "\n".join(lines[top:]).strip()
        parts.append(f"## `{group}={leaf.stem}`\n\n{comment}\n\n```yaml\n{body}\n```\n")
    return "\n".join(parts)
