import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from segrnn.metrics import Calibration

VOID = 255
Image = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_image(rng: np.random.Generator, classes: int = 4) -> tuple[torch.Tensor, np.ndarray]:
    """Probabilities ``(K, H, W)`` and a target that they are right about too seldom."""
    probabilities = torch.from_numpy(rng.normal(0, 3, (classes, 33, 47))).float().softmax(dim=0)
    right = rng.random((33, 47)) < 0.6
    target = np.where(right, probabilities.argmax(dim=0).numpy(), rng.integers(0, classes, (33, 47)))
    target[rng.random(target.shape) < 0.1] = VOID
    return probabilities, target


def as_counted(probabilities: torch.Tensor, target: np.ndarray) -> Image:
    confidence, prediction = probabilities.max(dim=0)
    return confidence.numpy(), prediction.numpy(), target


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_equals_torchmetrics(bins: int) -> None:
    rng = np.random.default_rng(bins)
    images = [random_image(rng) for _ in range(5)]
    calibration = Calibration(bins)
    for image in images:
        calibration.update(*as_counted(*image))
    official = multiclass_calibration_error(
        torch.stack([probabilities.double() for probabilities, _ in images]),
        torch.from_numpy(np.stack([target for _, target in images])),
        num_classes=4,
        n_bins=bins,
        norm="l1",
        ignore_index=VOID,
    )
    assert calibration.error == pytest.approx(official.item(), rel=0, abs=1e-6)


def test_equals_the_formula_bin_by_bin() -> None:
    confidence, prediction, target = as_counted(*random_image(np.random.default_rng(3)))
    calibration = Calibration(7)
    calibration.update(confidence, prediction, target)
    valid, error = target != VOID, 0.0
    for index in range(7):
        inside = valid & (confidence * 7.0 > index) & (confidence * 7.0 <= index + 1)
        if not inside.any():
            assert np.isnan(calibration.accuracy[index])
            continue
        accuracy = (prediction == target)[inside].mean()
        certainty = confidence[inside].mean(dtype=np.float64)
        assert calibration.accuracy[index] == pytest.approx(accuracy)
        assert calibration.confidence[index] == pytest.approx(certainty, abs=2**-24)
        error += inside.sum() / valid.sum() * abs(accuracy - certainty)
    assert calibration.error == pytest.approx(error, abs=1e-7)


def test_the_edge_of_a_bin_belongs_to_the_bin_below() -> None:
    calibration = Calibration(4)
    confidence = np.array([[0, 0.25, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 1]], np.float32)
    calibration.update(confidence, np.zeros((1, 5), np.uint8), np.zeros((1, 5), np.uint8))
    assert calibration.pixels.tolist() == [2, 1, 1, 1]


def test_certain_and_right_is_calibrated_and_certain_and_wrong_is_not() -> None:
    sure, ids = np.ones((2, 3), np.float32), np.zeros((2, 3), np.uint8)
    calibration = Calibration()
    calibration.update(sure, ids, ids)
    assert calibration.error == 0
    calibration.update(sure, ids, ids + 1)
    assert calibration.error == 0.5


def test_nothing_counted_is_unknown() -> None:
    calibration = Calibration(2)
    calibration.update(np.ones((1, 1), np.float32), np.zeros((1, 1), np.uint8), np.full((1, 1), VOID, np.uint8))
    assert calibration.to_dict() == {
        "expected_calibration_error": None,
        "per_bin": [{"pixels": 0, "accuracy": None, "confidence": None}] * 2,
    }


def test_order_never_shows() -> None:
    rng = np.random.default_rng(0)
    images = [as_counted(*random_image(rng)) for _ in range(6)]
    forward, backward = Calibration(), Calibration()
    for image in images:
        forward.update(*image)
    for image in reversed(images):
        backward.update(*(part[::-1, ::-1] for part in image))
    assert forward.to_dict() == backward.to_dict()
    assert forward.pixels.dtype == forward.correct.dtype == forward.confidences.dtype == np.int64


def test_what_does_not_fit_is_refused() -> None:
    calibration = Calibration()
    ids, sure = np.zeros((1, 2), np.uint8), np.ones((1, 2), np.float32)
    with pytest.raises(ValueError, match="prediction .* differ in shape"):
        calibration.update(sure, ids.T, ids)
    with pytest.raises(ValueError, match="confidence .* differ in shape"):
        calibration.update(sure.T, ids, ids)
    for wrong in (np.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match=rf"confidence must be in \[0, 1\], got .*{wrong}"):
            calibration.update(np.array([[0.5, wrong]], np.float32), ids, ids)
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        Calibration(0)
    assert not calibration.pixels.any()
