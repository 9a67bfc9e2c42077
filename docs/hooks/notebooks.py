"""Notebooks as pages, with what they print and draw."""

import hashlib
import os
import tempfile
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# how notebooks link, from their folder, and where that is on the site
LINKS = {
    **{path.name: f"{path.stem}.md" for path in NOTEBOOKS},
    "../docs/": "../",
    "../data/README.md": "../datasets.md",
}
KEPT = ROOT / "build" / "notebooks"
SECONDS = 600  # for one cell: a stop, not a limit
# tqdm and rich ask for ipywidgets, whose bars a page can't show
QUIET = 'ignore:IProgress not found,ignore:install "ipywidgets"'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook."""
    for path in NOTEBOOKS:
        reason = _reason_not_to_run(path)
        notebook = nbformat.read(path, as_version=4) if reason else executed(path)
        content, resources = MarkdownExporter().from_notebook_node(
            notebook, {"unique_key": path.stem, "output_files_dir": path.stem}
        )
        for link, page in LINKS.items():
            content = content.replace(f"]({link}", f"]({page}")
        if reason:
            heading, _, rest = content.lstrip().partition("\n")
            content = f"{heading}\n\n!!! note\n    Shown without its outputs: {reason}.\n{rest}"
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=content))
        for name, picture in resources["outputs"].items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    return files


def _reason_not_to_run(path: Path) -> str:
    """Tell why a notebook can't be run for its page, or is not to be; empty where it can."""
    if missing := environment_missing(path):
        return f"it was built without {missing}"
    if os.environ.get("SEGRNN_NOTEBOOKS") == "kept" and not _kept(path).exists():
        return "it was built without running it"
    return ""


def environment_missing(path: Path) -> str:
    """The environment variables that a notebook's metadata ask for and that are not set."""
    wanted = nbformat.read(path, as_version=4).metadata.get("environment", [])
    return ", ".join(name for name in wanted if name not in os.environ)


def executed(path: Path) -> nbformat.NotebookNode:
    """Run a notebook in an empty folder, or take the outputs of the last time where neither it nor segrnn has changed.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    kept = _kept(path)
    if not kept.exists():
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}})
            client.execute(env=os.environ | {"PYTHONWARNINGS": QUIET})
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"{path.stem}-*.ipynb"):
            old.unlink()
        nbformat.write(notebook, kept)
    return nbformat.read(kept, as_version=4)


def _kept(path: Path) -> Path:
    """Where a notebook lies with its outputs, once it was run with what is in the folder now."""
    sources = [path, *sorted((ROOT / "segrnn").rglob("*.py")), *sorted((ROOT / "conf").rglob("*.yaml"))]
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    return KEPT / f"{path.stem}-{digest}.ipynb"
