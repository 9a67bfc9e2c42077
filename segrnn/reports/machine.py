"""Describing the machine, versions and commit that a figure was measured with."""

import platform
import subprocess
from datetime import date
from pathlib import Path

import torch

import segrnn
from segrnn.text import counted


def describe_machine(device: torch.device) -> str:
    """Describe device, threads, versions, commit and date in one line.

    Example:
        >>> "torch" in describe_machine(torch.device("cpu"))
        True
    """
    if device.type == "cpu":
        hardware = f"{_processor()}, {counted(torch.get_num_threads(), 'thread')}"
    else:
        hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    commit = find_commit()
    version = f"segrnn {segrnn.__version__}" + (f" ({commit})" if commit else "")
    return f"{hardware}; torch {torch.__version__}, {version}; {date.today().isoformat()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def find_commit() -> str | None:
    """Return the commit of the clone that the package is run from, or None for a wheel.

    The commit ends in ``-dirty`` if files were changed.
    """
    folder = Path(segrnn.__file__).parent
    try:
        describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
