"""Images of four bands and 16 bits, from files to masks, by whole commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from band_files import write_bands
from conftest import SMALL, Run

import segrnn

CLASSES = "classes: [field, wood, water]\n"
STATS = re.compile(r"(encoder\.mean=\S+) (encoder\.std=\S+)")


def data_of(root: Path) -> list[str]:
    return ["data=folder", f"data.root={root}", "data.channels=4", "data.white=65535"]


@pytest.mark.thorough
def test_geotiffs_give_the_scores_of_the_same_arrays(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {}
    for suffix in (".tif", ".npy"):
        root = tmp_path / suffix[1:]
        write_bands(root, suffix)
        (root / "classes.yaml").write_text(CLASSES)
        assert run("prepare", "stats", *data_of(root), "output=stats.json", "workers=0") == 0
        found = STATS.search(capsys.readouterr().out.replace("\n", ""))
        assert found is not None
        overrides = [*SMALL, *data_of(root), *found.groups(), f"hydra.run.dir={suffix[1:]}"]
        assert run("train", *overrides) == 0
        ckpt = f"ckpt={suffix[1:]}/checkpoints/last.ckpt"
        assert run("evaluate", ckpt, f"hydra.run.dir=scored{suffix}") == 0
        metrics[suffix] = json.loads(Path(f"scored{suffix}/metrics.json").read_text())
    assert metrics[".tif"] == metrics[".npy"]

    ckpt = "ckpt=tif/checkpoints/last.ckpt"
    images = tmp_path / "tif/images/val"
    assert run("predict", ckpt, f"input={images}", "output=maps", "format=geotiff") == 0
    predictor = segrnn.load("tif/checkpoints/last.ckpt")
    for path in images.iterdir():
        with rasterio.open(f"maps/{path.name}") as written, rasterio.open(path) as image:
            assert (written.crs, written.transform) == (image.crs, image.transform)
            pixels = np.moveaxis(image.read(), 0, -1)
            np.testing.assert_array_equal(written.read(1), predictor(path))
            np.testing.assert_array_equal(predictor(pixels), predictor(path))
    evaluated = ["masks=maps", *data_of(tmp_path / "tif"), "data.workers=0", "hydra.run.dir=again"]
    assert run("evaluate", *evaluated) == 0
    assert json.loads(Path("again/metrics.json").read_text())["miou"] == metrics[".tif"]["miou"]

    assert run("export", ckpt, "format=onnx", "output=model.onnx") == 0
    script = Path(__file__).parent.parent / "segrnn/export/space/predict_onnx.py"
    refused = subprocess.run([sys.executable, script, "model.onnx", "a", "b"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "model.onnx takes images of 4 channels, where 65535" in refused.stderr
    for command in ("predict", "evaluate"):
        of_file = {"predict": [f"input={images}", "output=from_onnx"], "evaluate": data_of(tmp_path / "tif")}[command]
        assert run(command, "ckpt=model.onnx", *of_file) == 0


def test_what_does_not_fit_is_said_before_training(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bands(tmp_path)
    (tmp_path / "classes.yaml").write_text(CLASSES)
    assert run("train", *SMALL, *data_of(tmp_path)) == 2
    assert "encoder.mean has 3 numbers, but data.channels=4: python -m segrnn.prepare stats" in capsys.readouterr().err
    assert run("prepare", "check", "data=folder", f"data.root={tmp_path}", "data.channels=3", "workers=0") == 2
    assert "0.tif" in (out := capsys.readouterr().out.replace("\n", " "))
    assert "need data.channels=<bands> and data.white=<value of 1>" in out
