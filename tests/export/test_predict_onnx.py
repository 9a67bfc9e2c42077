"""The script that runs an exported network without torch and segrnn."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from export_networks import CONTEXTS, make_small
from PIL import Image
from torch import Tensor

from segrnn.export import Exported, describe, export_onnx
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import Label, LabelSpace
from segrnn.models import Segmenter

SCRIPT = Path(__file__).parents[2] / "segrnn/export/space/predict_onnx.py"
LABELS = LabelSpace("toy", [Label(f"class {i}", 10 + i, i, (40 * i, 9, 255 - 40 * i)) for i in range(5)])
PLAIN = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
ALONE = (
    "import runpy, sys\n"
    "sys.modules.update(torch=None, segrnn=None)  # importing them fails\n"
    "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ALONE, str(SCRIPT), "model.onnx", "image.png", "mask.png", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def draw(exported: Exported, size: tuple[int, int], path: Path) -> np.ndarray:
    pixels = Exported(exported.model, PLAIN, argmax=True).draw_input(1, size, seed=7)[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)
    return pixels


def make_file(
    folder: Path, inside: bool, argmax: bool, size: tuple[int, int] | None, preprocessing: Preprocessing
) -> Exported:
    exported = Exported(make_small(CONTEXTS["renet_gru"]), preprocessing if inside else None, argmax)
    export_onnx(exported, folder / "model.onnx", size, describe(LABELS, preprocessing))
    return exported


def mask_of(model: Segmenter, preprocessing: Preprocessing, pixels: np.ndarray) -> Tensor:
    return Predictor(model, ModelInfo({}, LABELS, preprocessing)).mask(pixels)


def share_equal(folder: Path, wanted: Tensor) -> float:
    mask = np.asarray(Image.open(folder / "mask.png"))
    assert mask.dtype == np.uint8
    assert len(np.unique(mask)) > 1
    return float((mask == wanted.numpy()).mean())


@pytest.mark.parametrize(
    ("inside", "argmax", "size"),
    [
        (True, True, (33, 50)),
        pytest.param(False, False, (33, 50), marks=pytest.mark.slow),
        pytest.param(True, False, None, marks=pytest.mark.slow),
    ],
)
def test_its_mask_is_the_networks(inside: bool, argmax: bool, size: tuple[int, int] | None, tmp_path: Path) -> None:
    exported = make_file(tmp_path, inside, argmax, size, PLAIN)
    pixels = draw(exported, (33, 50), tmp_path / "image.png")
    finished = run(tmp_path)
    assert finished.returncode == 0, finished.stderr
    wanted = mask_of(exported.model, PLAIN, pixels)
    assert share_equal(tmp_path, wanted) > 0.999  # but for ties

    assert run(tmp_path, "--color").returncode == 0
    colors = np.asarray(Image.open(tmp_path / "mask.png"))
    assert (colors == LABELS.colorize(wanted.numpy())).mean() > 0.999


@pytest.mark.parametrize("argmax", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_windows_of_one_size_cover_a_larger_image(argmax: bool, tmp_path: Path) -> None:
    exported = make_file(tmp_path, inside=True, argmax=argmax, size=(32, 48), preprocessing=PLAIN)
    pixels = draw(exported, (70, 48), tmp_path / "image.png")
    assert run(tmp_path).returncode == 0
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    probabilities = torch.zeros(5, 70, 48)
    labels = torch.zeros(70, 48, dtype=torch.uint8)
    for top in (0, 32, 38):
        with torch.no_grad():
            logits = exported.logits(image[:, :, top : top + 32])[0]
        probabilities[:, top : top + 32] += logits.softmax(dim=0)
        labels[top : top + 32] = logits.argmax(dim=0)
    assert share_equal(tmp_path, labels if argmax else probabilities.argmax(dim=0)) > 0.999

    draw(exported, (31, 90), tmp_path / "image.png")
    finished = run(tmp_path)
    assert finished.returncode == 1
    assert finished.stderr == "the network takes images of at least 48 x 32 pixels, not of 90 x 31 pixels\n"


@pytest.mark.parametrize("argmax", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_an_image_is_resized_as_in_training_but_for_rounding(argmax: bool, tmp_path: Path) -> None:
    preprocessing = Preprocessing(PLAIN.mean, PLAIN.std, scale=0.5, base_size=(64, 200))
    exported = make_file(tmp_path, inside=True, argmax=argmax, size=(32, 48), preprocessing=preprocessing)
    pixels = draw(exported, (128, 192), tmp_path / "image.png")
    assert run(tmp_path).returncode == 0
    wanted = mask_of(exported.model, preprocessing, pixels)
    assert share_equal(tmp_path, wanted) > (0.9 if argmax else 0.98)
