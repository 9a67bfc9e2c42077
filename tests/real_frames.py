"""Where the real CamVid lies, for the tests that want it. It can't be part of the repository."""

import os
from pathlib import Path

import pytest

REAL_CAMVID = Path(os.environ.get("SEGRNN_CAMVID", "data/camvid")).resolve()

needs_camvid = pytest.mark.skipif(
    not (REAL_CAMVID / "train.txt").is_file(), reason=f"no CamVid in {REAL_CAMVID}: set SEGRNN_CAMVID to where it lies"
)
