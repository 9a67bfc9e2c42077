import numpy as np
import pytest
import torch
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCohenKappa,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
)

from segrnn.metrics import ConfusionMatrix, Scores

NAMES = tuple("abcdefg")


def random_masks(count: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, classes, (count, 9, 11), generator=generator)
    prediction = torch.where(
        torch.rand(target.shape, generator=generator) < 0.6,
        target,
        torch.randint(0, classes, target.shape, generator=generator),
    )
    target[torch.rand(target.shape, generator=generator) < 0.1] = 255
    return prediction, target


def test_equals_torchmetrics() -> None:
    prediction, target = random_masks(5, 7)
    matrix = ConfusionMatrix(7)
    matrix.update(prediction, target)
    scores = Scores(matrix.counts.numpy(), NAMES)
    jaccard = MulticlassJaccardIndex(7, average=None, ignore_index=255)(prediction, target)
    recall = MulticlassAccuracy(7, average=None, ignore_index=255)(prediction, target)
    micro = MulticlassAccuracy(7, average="micro", ignore_index=255)(prediction, target)
    np.testing.assert_allclose(scores.iou, jaccard, atol=1e-6)
    np.testing.assert_allclose(scores.accuracy, recall, atol=1e-6)
    precision = MulticlassPrecision(7, average=None, ignore_index=255)(prediction, target)
    dice = MulticlassF1Score(7, average=None, ignore_index=255)(prediction, target)
    kappa = MulticlassCohenKappa(7, ignore_index=255)(prediction, target)
    np.testing.assert_allclose(scores.precision, precision, atol=1e-6)
    np.testing.assert_allclose(scores.dice, dice, atol=1e-6)
    np.testing.assert_allclose(scores.dice, 2 * scores.iou / (1 + scores.iou))
    assert scores.kappa == pytest.approx(kappa.item(), abs=1e-6)
    assert scores.pixel_accuracy == pytest.approx(micro.item(), abs=1e-6)


def test_by_hand() -> None:
    # truth: 4 a, 4 b, 2 c; one a taken for b, two b for c
    scores = Scores(np.array([[3, 1, 0], [0, 2, 2], [0, 0, 2]]), ("a", "b", "c"))
    assert scores.iou.tolist() == [3 / 4, 2 / 5, 2 / 4]
    assert scores.miou == pytest.approx((3 / 4 + 2 / 5 + 2 / 4) / 3)
    assert scores.pixel_accuracy == 7 / 10
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 2 / 4 + 1) / 3)
    assert scores.frequency_weighted_iou == pytest.approx(0.4 * 3 / 4 + 0.4 * 2 / 5 + 0.2 * 2 / 4)


def test_absent_is_left_out_but_a_false_alarm_counts_as_zero() -> None:
    scores = Scores(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]]), ("a", "false alarm", "absent"))
    assert scores.iou[1] == 0
    assert np.isnan(scores.iou[2])
    assert scores.miou == pytest.approx(0.75 / 2)
    assert scores.mean_accuracy == 0.75
    assert scores.to_dict()["per_class"]["absent"] == {
        **dict.fromkeys(("iou", "dice", "precision", "accuracy")),
        "pixels": 0,
    }


def test_nothing_to_score_is_unknown_not_perfect() -> None:
    scores = Scores(np.zeros((2, 2), np.int64), ("a", "b"))
    assert scores.to_dict() | {"per_class": None} == dict.fromkeys(
        ("miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "mean_dice", "kappa", "per_class")
    )


def test_a_single_class_has_no_kappa() -> None:
    assert np.isnan(Scores(np.array([[5, 0], [0, 0]]), ("a", "b")).kappa)


def test_a_void_prediction_lowers_recall_but_no_precision() -> None:
    scores = Scores(np.array([[3, 0, 1], [0, 4, 0]]), ("a", "b"))
    assert (scores.accuracy[0], scores.precision[0], scores.dice[0]) == (0.75, 1, 6 / 7)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_counts_do_not_depend_on_batches_or_order(batch: int) -> None:
    prediction, target = random_masks(8, 7)
    whole = ConfusionMatrix(7)
    whole.update(prediction, target)
    parts = ConfusionMatrix(7)
    for indices in torch.randperm(8).split(batch):
        parts.update(prediction[indices], target[indices])
    assert torch.equal(parts.counts, whole.counts)
    assert parts.counts.dtype == torch.int64


def test_a_pixel_that_is_predicted_as_void_is_wrong_but_no_false_alarm() -> None:
    matrix = ConfusionMatrix(2, void_column=True)
    counts = matrix.update(torch.tensor([0, 255, 255, 1]), torch.tensor([0, 0, 255, 1]))
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0]]
    scores = Scores(counts.numpy(), ("road", "sky"))
    assert scores.iou.tolist() == [0.5, 1]
    assert scores.accuracy.tolist() == [0.5, 1]
    assert scores.pixel_accuracy == 2 / 3
    assert scores.support.tolist() == [2, 1]
    assert [confusion.predicted for confusion in scores.confusions(5)] == ["void"]


def test_bad_masks_are_refused() -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(ValueError, match="differ in shape"):
        matrix.update(torch.zeros(2, 3), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"prediction holds ids outside 0\.\.2: \[255\]"):
        matrix.update(torch.tensor([255]), torch.tensor([1]))
    with pytest.raises(ValueError, match=r"target holds ids outside 0\.\.2"):
        matrix.update(torch.tensor([0]), torch.tensor([3]))
    assert not matrix.counts.any()
