import numpy as np
import pytest
from contour_masks import VOID, random_masks
from scipy.ndimage import binary_erosion

from segrnn.metrics import BoundaryF, BoundaryIoU


def boundary_of(mask: np.ndarray, distance: int) -> np.ndarray:
    """What d erosions take away from one binary mask."""
    return mask & ~binary_erosion(mask, np.ones((3, 3)), iterations=distance, border_value=0)


def by_the_book(prediction: np.ndarray, target: np.ndarray, classes: int, distance: int) -> tuple[list[int], list[int]]:
    """Class by class, as the paper has it."""
    prediction = np.where(target == VOID, VOID, prediction)
    pairs = [
        (boundary_of(target == index, distance), boundary_of(prediction == index, distance)) for index in range(classes)
    ]
    return [int((g & p).sum()) for g, p in pairs], [int((g | p).sum()) for g, p in pairs]


@pytest.mark.parametrize("dilation", [0.02, 0.06, 0.5, 3.0])  # the last two reach over the whole image
@pytest.mark.parametrize("size", [(37, 53), (64, 128), (1, 1), (1, 40), (40, 1), (2, 3)])
def test_equals_the_slow_twin(size: tuple[int, int], dilation: float) -> None:
    rng = np.random.default_rng(size[0])
    boundary = BoundaryIoU(4, dilation)
    distance = max(1, round(dilation * np.sqrt(size[0] ** 2 + size[1] ** 2)))
    intersection, union = np.zeros((2, 4), int)
    for _ in range(3):
        prediction, target = random_masks(rng, size, wrong=[0, 1, 2, 3])
        boundary.update(prediction, target)
        both, either = by_the_book(prediction, target, 4, distance)
        intersection += both
        union += either
    assert boundary.intersection.tolist() == intersection.tolist()
    assert boundary.union.tolist() == union.tolist()


def test_the_interior_does_not_count() -> None:
    target = np.zeros((50, 50), np.uint8)
    target[:, 25:] = 1
    prediction = target.copy()
    prediction[20:30, 10:15] = 1  # a false alarm amidst class 0, ten pixels from its contour
    boundary = BoundaryIoU(3)
    boundary.update(target, target)
    assert boundary.iou[:2].tolist() == [1, 1]
    assert np.isnan(boundary.iou[2])
    assert boundary.miou == 1
    boundary.update(prediction, target)
    assert boundary.miou < 1


def test_void_is_in_no_count_whatever_is_predicted_there() -> None:
    target = np.zeros((9, 9), np.uint8)
    target[3:6] = VOID
    unions = []
    for inside in (0, 1, VOID):
        boundary = BoundaryIoU(2)
        boundary.update(np.where(target == VOID, inside, target).astype(np.uint8), target)
        assert boundary.iou[0] == 1
        unions.append(boundary.union.tolist())
    assert unions == [[40, 0]] * 3  # two bands of 3 x 9 pixels, less their middles


def test_order_never_shows() -> None:
    rng = np.random.default_rng(0)
    pairs = [random_masks(rng, (40, 60), wrong=[0, 1, 2, 3]) for _ in range(6)]
    forward, backward = BoundaryIoU(4), BoundaryIoU(4)
    for pair in pairs:
        forward.update(*pair)
    for pair in reversed(pairs):
        backward.update(*pair)
    assert forward.iou.tolist() == backward.iou.tolist()
    assert forward.intersection.dtype == forward.union.dtype == np.int64


def test_a_pixel_that_is_predicted_as_void_is_in_no_predicted_boundary() -> None:
    boundary = BoundaryIoU(2)
    boundary.update(np.array([[0, VOID]], np.uint8), np.array([[0, 1]], np.uint8))
    assert boundary.intersection.tolist() == [1, 0]
    assert boundary.union.tolist() == [1, 1]


def test_the_dilation_is_positive() -> None:
    with pytest.raises(ValueError, match="dilation must be positive, got 0"):
        BoundaryIoU(2, dilation=0)


@pytest.mark.parametrize("boundary", [BoundaryIoU(2), BoundaryF(2)])
def test_what_does_not_fit_is_refused_and_not_counted(boundary: BoundaryIoU | BoundaryF) -> None:
    zeros = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="differ in shape"):
        boundary.update(zeros, zeros[:1])
    with pytest.raises(ValueError, match=r"prediction holds ids outside 0\.\.1: \[2\]"):
        boundary.update(zeros + 2, zeros)
    with pytest.raises(ValueError, match=r"target holds ids outside 0\.\.1: \[2\]"):
        boundary.update(zeros, zeros + 2)
    assert set(boundary.to_dict(("a", "b"))["per_class"].values()) == {None}
