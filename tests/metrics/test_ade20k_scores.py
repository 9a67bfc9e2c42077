import numpy as np
import pytest
import torch

from segrnn.metrics import ADE20KScores, ConfusionMatrix, Scores

VOID = 255


def by_the_book(predictions: list[np.ndarray], truths: list[np.ndarray], classes: int) -> tuple[float, float, float]:
    """The published formula, on ids as on disk: 0 is unlabelled, classes are 1 to K."""
    intersection, union = np.zeros((2, classes))
    right = labelled = 0
    for prediction, truth in zip(predictions, truths, strict=True):
        right += np.sum((prediction == truth) & (truth > 0))
        labelled += np.sum(truth > 0)
        prediction = prediction * (truth > 0)
        for index in range(classes):
            predicted, true = prediction == index + 1, truth == index + 1
            intersection[index] += np.sum(predicted & true)
            union[index] += np.finfo(float).eps + np.sum(predicted | true)
    accuracy, mean_iou = right / labelled, np.mean(intersection / union)
    return accuracy, mean_iou, (accuracy + mean_iou) / 2


@pytest.mark.parametrize(("classes", "drawn", "lowest"), [(5, 5, 1), (150, 150, 1), (150, 12, 1), (5, 5, 0)])
def test_equals_the_published_formula(classes: int, drawn: int, lowest: int) -> None:
    """With 0 as the lowest id, some pixels are predicted as unlabelled."""
    rng = np.random.default_rng(classes)
    truths = [rng.integers(0, drawn + 1, (48, 70)) for _ in range(4)]
    predictions = [
        np.where((rng.random(t.shape) < 0.5) & (t > 0), t, rng.integers(lowest, drawn + 1, t.shape)) for t in truths
    ]
    confusion = ConfusionMatrix(classes, void_column=not lowest)
    for prediction, truth in zip(predictions, truths, strict=True):
        target = np.where(truth == 0, VOID, truth - 1)
        predicted = np.where(prediction == 0, VOID, prediction - 1)
        confusion.update(torch.from_numpy(predicted), torch.from_numpy(target))
    scores = ADE20KScores(confusion.counts.numpy())
    ours = (scores.pixel_accuracy, scores.mean_iou, scores.score)
    assert ours == pytest.approx(by_the_book(predictions, truths, classes), rel=0, abs=1e-12)

    miou = Scores(confusion.counts.numpy(), tuple(map(str, range(classes)))).miou
    assert scores.mean_iou == pytest.approx(miou * drawn / classes)  # absent classes pull it down


def test_nothing_labelled_is_unknown() -> None:
    scores = ADE20KScores(np.zeros((3, 3), np.int64))
    assert scores.to_dict() == {"score": None, "pixel_accuracy": None, "mean_iou": 0.0}
