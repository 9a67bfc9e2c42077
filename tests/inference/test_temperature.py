from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, Run
from scipy.optimize import minimize_scalar
from torch import nn

from segrnn.datasets import Sample
from segrnn.errors import CheckpointError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.inference.temperature import divide_logits, learn_temperature
from segrnn.labels import CAMVID
from segrnn.models import FCN, Segmenter

INFO = ModelInfo({}, CAMVID, Preprocessing((0.5,) * 3, (0.5,) * 3))


def network() -> Predictor:
    torch.manual_seed(0)
    segmenter = Segmenter(FCN("resnet18", classes=11, width=8)).eval()
    nn.init.normal_(segmenter.head[0].weight, std=2)
    return Predictor(segmenter, INFO)


def drawn(predictor: Predictor, temperature: float) -> Iterator[Sample]:
    """Images whose labels are drawn with the probabilities that a temperature gives."""
    rng = np.random.default_rng(0)
    for number in range(3):
        image = rng.integers(0, 256, (48, 64, 3), np.uint8)
        logits = predictor.mask_with_logits(image, 10**9)[1]
        assert logits is not None
        chances = (logits / temperature).softmax(dim=0).flatten(1).T
        mask = torch.multinomial(chances, 1, generator=torch.Generator().manual_seed(number)).reshape(48, 64)
        mask[:5] = 255
        yield Sample(image, mask.byte().numpy(), str(number))


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_the_labels_is_found(true: float) -> None:
    predictor = network()
    found = learn_temperature(predictor, drawn(predictor, true))
    assert found.value == pytest.approx(true, rel=0.05)
    assert found.pixels == 3 * 43 * 64
    assert found.after < 0.02
    assert found.after <= found.before + 0.005
    if true != 1:
        assert found.before > 0.05


def test_it_is_the_minimum_of_the_cross_entropy() -> None:
    predictor = network()
    samples = list(drawn(predictor, 2.0))
    pairs = [(predictor.mask_with_logits(each.image, 10**9)[1], torch.from_numpy(each.mask).long()) for each in samples]
    logits = torch.cat([whole.flatten(1).T[mask.ravel() != 255] for whole, mask in pairs]).double()
    target = torch.cat([mask.ravel()[mask.ravel() != 255] for _, mask in pairs])
    best = minimize_scalar(
        lambda t: nn.functional.cross_entropy(logits / t, target).item(), bounds=(0.5, 8), options={"xatol": 1e-8}
    )
    assert learn_temperature(predictor, samples).value == pytest.approx(best.x, rel=1e-4)


def test_a_part_of_the_pixels_is_always_the_same() -> None:
    predictor = network()
    first, second = (learn_temperature(predictor, drawn(predictor, 2.0), per_image=500) for _ in range(2))
    assert first == second
    assert first.pixels == 1500
    assert first.value == pytest.approx(2, rel=0.2)


def test_the_network_keeps_it() -> None:
    predictor = network()
    found = learn_temperature(predictor, drawn(predictor, 3.0))
    image = next(drawn(predictor, 1.0)).image
    before = predictor.mask(image)
    samples = list(drawn(predictor, 3.0))
    divide_logits(predictor.segmenter, found.value)
    assert (predictor.mask(image) == before).float().mean() > 0.999  # ties
    again = learn_temperature(predictor, samples)
    assert again.value == pytest.approx(1, rel=1e-3)
    assert again.before == pytest.approx(found.after, abs=1e-4)


def test_without_labels_there_is_none() -> None:
    sample = Sample(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8), "void")
    with pytest.raises(CheckpointError, match="no pixel of the split has a label"):
        learn_temperature(network(), [sample])


def test_a_last_layer_that_is_not_linear(tmp_path: Path) -> None:
    predictor = network()
    predictor.segmenter.head.append(nn.ReLU())
    with pytest.raises(CheckpointError, match="the network ends in ReLU, and a temperature needs a linear layer"):
        divide_logits(predictor.segmenter, 2.0)


@pytest.mark.slow
def test_a_bundle_keeps_it(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", "run_id=first"]
    assert run("train", *small) == 0
    ckpt = "ckpt=runs/train/first/checkpoints/best.ckpt"
    capsys.readouterr()
    assert run("export", ckpt, "output=calibrated", "calibrate=true", "max_images=4") == 0
    said = capsys.readouterr().out
    assert "of 4 images of val: the expected calibration error falls from" in said
    old, new = Predictor.load("runs/train/first/checkpoints/best.ckpt"), Predictor.load("calibrated")
    temperature = new.info.provenance["temperature"]
    assert f"temperature {temperature:.3f}" in said
    torch.testing.assert_close(new.segmenter.head[0].weight * temperature, old.segmenter.head[0].weight)
    assert "expected calibration error on val" in new.info.scores
    assert run("evaluate", "ckpt=calibrated", "data=camvid", f"data.root={camvid}", "data.workers=0") == 0
