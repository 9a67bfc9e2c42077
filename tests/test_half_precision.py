"""Half precision in prediction and evaluation: what computes in it, and what it changes."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run
from PIL import Image
from small_bundle import save_small_bundle
from torch import nn

import segrnn
from segrnn.inference import Predictor

HALF = "bf16-mixed"


@pytest.fixture
def photos(run: Run) -> Path:
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (60, 90, 3), np.uint8)).save(f"photos/{number}.png")
    save_small_bundle("bundle")
    return Path("photos")


def ids(folder: str, name: str) -> np.ndarray:
    return np.asarray(Image.open(Path(folder, name)))


def test_convolutions_compute_in_half_precision_and_probabilities_do_not(photos: Path) -> None:
    predictor = segrnn.load("bundle")
    seen: dict[type, set[torch.dtype]] = {}
    for module in predictor.segmenter.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, _, out: seen.setdefault(type(module), set()).add(out.dtype))
    image = np.asarray(Image.open(photos / "0.png"))
    mask = predictor.mask(image)
    assert seen[nn.Conv2d] == {torch.float32}
    seen.clear()
    half = predictor.in_precision(HALF)
    changed = (half.mask(image) != mask).float().mean()
    assert 0 < changed < 0.1
    assert seen[nn.Conv2d] == {torch.bfloat16}
    assert all(part.values.dtype == torch.float32 for part in half.probabilities(image))
    assert torch.equal(predictor.mask(image), mask)  # the other predictor is as it was
    with pytest.raises(ValueError, match="precision must be one of 32-true, bf16-mixed, 16-mixed, got 8-true"):
        Predictor(predictor.network, predictor.info, precision="8-true")


@pytest.mark.slow
def test_the_command_says_how_many_pixels_change(photos: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ("predict", "ckpt=bundle", "input=photos", "device=cpu")
    assert run(*ask, "output=single") == 0
    assert "precision" not in capsys.readouterr().out
    assert run(*ask, "output=half", f"precision={HALF}") == 0
    told = re.findall(
        r"precision=bf16-mixed: (\d+) of 5400 pixels .* of photos/0.png get another class", capsys.readouterr().out
    )
    changed = (ids("single", "0.png") != ids("half", "0.png")).sum()
    assert told == [str(changed)]
    assert changed > 0
    assert run(*ask, "output=half") == 2
    assert "3 of 3 masks exist already and were made with other settings" in capsys.readouterr().err
    for words, message in {
        ("precision=16-mixed",): "precision=16-mixed needs a GPU: choose precision=bf16-mixed, or 32-true",
        (f"precision={HALF}", "runtime=onnx"): "ONNX Runtime computes in the precision of its file: choose 32-true",
        ("precision=half",): "precision",
    }.items():
        assert run(*ask, "output=none", *words) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_an_evaluation_in_half_precision(
    photos: Path, camvid: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("ckpt=bundle", "data=camvid", f"data.root={camvid}", "data.workers=0", "device=cpu", "examples.count=1")
    assert run("evaluate", *words, f"precision={HALF}", "hydra.run.dir=half") == 0
    assert re.search(r"precision=bf16-mixed: \d+ of 1872 pixels", capsys.readouterr().out)
    assert HALF in Path("half/report.html").read_text()
