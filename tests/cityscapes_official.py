"""The official evaluation of Cityscapes, as an oracle for ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# NumPy 2.4 removed in1d, which cityscapesScripts 2.3.0 calls
EVALUATE = """
import numpy as np
np.in1d = lambda array, test, invert=False: np.isin(array, test, invert=invert).ravel()
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling
evalPixelLevelSemanticLabeling.main()
"""


def evaluate_officially(dataset: Path, predictions: Path, folder: Path) -> dict:
    """What cityscapesScripts says of predictions for the validation split; skips the test where it is not installed.

    In a process of its own: it reads the environment when it is imported, and remembers the first predictions it found.

    Args:
        dataset: holds ``gtFine/val/<city>/*_gtFine_{labelIds,instanceIds}.png``.
        predictions: one PNG of label ids per frame, ``<city>_<sequence>_<frame>*.png``, at any depth.
        folder: where it leaves its JSON.
    """
    pytest.importorskip("cityscapesscripts", reason="the official evaluation is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    where = {
        "CITYSCAPES_DATASET": str(dataset),
        "CITYSCAPES_RESULTS": str(predictions),
        "CITYSCAPES_EXPORT_DIR": str(folder),
    }
    done = subprocess.run([sys.executable, "-c", EVALUATE], env=os.environ | where, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "resultPixelLevelSemanticLabeling.json").read_text())
