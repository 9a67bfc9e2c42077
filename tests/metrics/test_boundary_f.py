from math import hypot
from statistics import fmean

import numpy as np
import pytest
from contour_masks import VOID, random_masks
from scipy.ndimage import binary_dilation, distance_transform_edt

from segrnn.metrics import BoundaryF

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])


def contour_of(mask: np.ndarray, index: int) -> np.ndarray:
    """The pixels of a class that touch another class."""
    return (mask == index) & binary_dilation((mask != index) & (mask != VOID), CROSS)


def by_the_book(prediction: np.ndarray, target: np.ndarray, index: int, distance: float) -> float:
    """One class of one image, by distance transforms; NaN if it has no contour."""
    prediction = np.where(target == VOID, VOID, prediction)
    predicted, true = contour_of(prediction, index), contour_of(target, index)
    if not predicted.any() and not true.any():
        return float("nan")
    if not predicted.any() or not true.any():
        return 0
    precision = float((distance_transform_edt(~true)[predicted] <= distance).mean())
    recall = float((distance_transform_edt(~predicted)[true] <= distance).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0


@pytest.mark.parametrize("tolerance", [0.0075, 0.03, 0.1])
@pytest.mark.parametrize("size", [(37, 53), (64, 128), (1, 1), (1, 40), (40, 1), (2, 3)])
def test_equals_the_slow_twin(size: tuple[int, int], tolerance: float) -> None:
    rng = np.random.default_rng(size[0])
    boundary, found = BoundaryF(4, tolerance), []
    for _ in range(4):
        prediction, target = random_masks(rng, size, wrong=[0, 1, 2, VOID])
        boundary.update(prediction, target)
        distance = max(1.0, tolerance * hypot(*size))
        found.append([by_the_book(prediction, target, index, distance) for index in range(4)])
    present = [[image[index] for image in found if not np.isnan(image[index])] for index in range(4)]
    wanted = [fmean(scores) if scores else np.nan for scores in present]
    np.testing.assert_allclose(boundary.f, wanted, rtol=1e-14)


def test_the_order_and_the_number_of_processes_never_show() -> None:
    rng = np.random.default_rng(0)
    pairs = [random_masks(rng, (40, 60), wrong=[0, 1, 2, VOID]) for _ in range(7)]
    one, first, second = BoundaryF(4), BoundaryF(4), BoundaryF(4)
    for number, pair in enumerate(pairs):
        one.update(*pair)
        (first if number % 2 else second).update(*pair)
    first.merge(second)
    assert first.f.tolist()[:3] == one.f.tolist()[:3]
    assert np.isnan(first.f[3])


def test_small_displacements_are_forgiven_and_large_ones_are_not() -> None:
    target = np.zeros((300, 400), np.uint8)  # a diagonal of 500 pixels: d is 3.75
    target[:, 200:] = 1
    scores = []
    for shift in (0, 3, 4):
        boundary = BoundaryF(2)
        boundary.update(np.roll(target, shift, axis=1), target)
        scores.append(boundary.to_dict(("left", "right"))["mean F"])
    assert scores[0] == 1
    assert scores[1] == pytest.approx(2 / 3)  # the roll has made a second contour, where there is none
    assert scores[2] == 0


def test_a_class_without_a_contour_has_no_score() -> None:
    boundary = BoundaryF(3)
    boundary.update(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))
    assert boundary.to_dict(("a", "b", "c")) == {"mean F": None, "per_class": {"a": None, "b": None, "c": None}}


def test_what_is_predicted_in_void_does_not_count() -> None:
    target = np.zeros((9, 9), np.uint8)
    target[:, 6:] = 1
    target[2:5] = VOID
    scores = []
    for inside in (0, 1, VOID):
        boundary = BoundaryF(2)
        boundary.update(np.where(target == VOID, inside, target).astype(np.uint8), target)
        scores.append(boundary.f.tolist())
    assert scores == [[1, 1]] * 3


def test_the_tolerance_is_positive() -> None:
    with pytest.raises(ValueError, match="tolerance must be positive, got 0"):
        BoundaryF(2, tolerance=0)
