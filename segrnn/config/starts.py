"""The record of a run's starts: what was typed, and with which versions and which code."""

import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from segrnn.atomic import write_text
from segrnn.processes import Place, place
from segrnn.reports import find_commit
from segrnn.versions import list_versions

FILE = "starts.yaml"
"""The file of a run's folder with a document for each start."""


def record_start(run_dir: Path, step: int) -> None:
    """Add a document about this start to ``<run_dir>/starts.yaml``.

    It holds the time, the step that the run goes on from, the command that repeats the run, the overrides as they were
    typed, the working folder, the versions of packages and the commit of the code.

    Args:
        run_dir: the run's folder.
        step: the step that the run goes on from, 0 for a new run.

    Raises:
        OutputError: the file can't be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record_start(Path(folder), step=0)
        ...     list(yaml.safe_load(Path(folder, "starts.yaml").read_text()))[:3]
        ['time', 'step', 'command']
    """
    overrides, here = _typed(), place()
    start = {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "step": step,
        "command": shlex.join([*_launcher(here), "segrnn.train", *_repeated(overrides, run_dir)]),
        "overrides": overrides,
        "folder": str(Path.cwd()),
        "processes": here.size,
        "commit": find_commit(),
        "python": sys.version.split()[0],
        "versions": list_versions(),
    }
    file = run_dir / FILE
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    write_text(file, f"{before}---\n{yaml.safe_dump(start, sort_keys=False, allow_unicode=True, width=10_000)}")


def _typed() -> list[str] | None:
    """Return the overrides of this run's command line. They are unknown in a notebook, and for a trial of a search."""
    if not HydraConfig.initialized() or HydraConfig.get().job.config_name == "search":
        return None
    # as they were typed: an interpolation in an override is none of Hydra's own configuration
    typed: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    overrides = list(map(str, typed))
    return [f"from={each[9:]}" if each.startswith("from_run=") else each for each in overrides]


def _launcher(here: Place) -> list[str]:
    if here.launcher == "torchrun":
        return ["torchrun", "--nproc-per-node", str(here.local_size), "-m"]
    srun = ["srun", f"--ntasks-per-node={here.local_size}"] if here.launcher == "srun" else []
    return [*srun, "python", "-m"]


def _repeated(overrides: list[str] | None, run_dir: Path) -> list[str]:
    """Return the arguments of a new run with the settings of this one."""
    if overrides is None:
        return [f"from={run_dir}"]
    return [each for each in overrides if each.lstrip("+").partition("=")[0] not in ("run_id", "ckpt")]
