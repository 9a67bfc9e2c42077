"""Equal to what cityscapesScripts computes, on frames that hold every case."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from cityscapes_official import evaluate_officially
from PIL import Image

from segrnn.labels import CITYSCAPES, DEMO, IGNORE_INDEX, LabelSpace
from segrnn.metrics import CityscapesScores, ConfusionMatrix, InstanceHits, Scores

HEIGHT, WIDTH = 64, 128
IDS = [label.id for label in CITYSCAPES.labels if label.id >= 0]
INSTANCE_LABELS = [label.id for label in CITYSCAPES.labels if label.has_instances]
EVALUATED = [label.id for label in CITYSCAPES.classes]
TOLERANCE = 1e-12


@dataclass
class Frame:
    """All as on disk: label ids, and instance ids."""

    truth: np.ndarray
    instances: np.ndarray
    prediction: np.ndarray


def draw_frame(rng: np.random.Generator, truth_ids: list[int], predicted_ids: list[int]) -> Frame:
    """Blocks of labels, over them instances that cut one another, and groups without a number."""
    blocks = rng.choice(truth_ids, (HEIGHT // 8, WIDTH // 8))
    truth = np.kron(blocks, np.ones((8, 8), int))
    instances = truth.copy()  # stuff and groups bear their label's bare id
    for number in range(12):
        label = rng.choice(INSTANCE_LABELS)
        if label in truth_ids:
            top, left = rng.integers(0, HEIGHT - 1), rng.integers(0, WIDTH - 1)
            box = slice(top, top + rng.integers(1, 20)), slice(left, left + rng.integers(1, 30))
            truth[box], instances[box] = label, label * 1000 + number
    noise = rng.choice(predicted_ids, truth.shape)
    right = (rng.random(truth.shape) < 0.6) & np.isin(truth, predicted_ids)
    return Frame(truth, instances, np.where(right, truth, noise))


def draw(case: str) -> list[Frame]:
    rng = np.random.default_rng(len(case))
    if case == "everything":
        return [draw_frame(rng, IDS, EVALUATED) for _ in range(8)]
    if case == "classes that never occur":  # no train, bus or bicycle; no human at all
        some = [i for i in IDS if i not in (24, 25, 28, 31, 33)]
        return [draw_frame(rng, some, [i for i in some if i in EVALUATED]) for _ in range(5)]
    if case == "false alarms of absent classes":
        return [draw_frame(rng, [0, 7, 8, 23, 26, 29], EVALUATED) for _ in range(5)]
    if case == "predictions of two classes":
        return [draw_frame(rng, IDS, [7, 26]) for _ in range(5)]
    if case == "predictions of void, too":
        return [draw_frame(rng, IDS, IDS) for _ in range(8)]
    if case == "only groups":
        frames = [draw_frame(rng, IDS, EVALUATED) for _ in range(3)]
        return [Frame(frame.truth, frame.truth, frame.prediction) for frame in frames]
    assert case == "only void"
    return [draw_frame(rng, [0, 1, 4, 29], EVALUATED) for _ in range(2)]


CASES = [
    "everything",
    "classes that never occur",
    "false alarms of absent classes",
    "predictions of two classes",
    "predictions of void, too",
    "only groups",
    "only void",
]


def write(frames: list[Frame], root: Path) -> tuple[Path, Path]:
    dataset, predictions = root / "cityscapes", root / "predictions"
    labels = dataset / "gtFine" / "val" / "lindau"
    labels.mkdir(parents=True)
    predictions.mkdir()
    for number, frame in enumerate(frames):
        stem = f"lindau_{number:06d}_000019"
        Image.fromarray(frame.truth.astype(np.uint8)).save(labels / f"{stem}_gtFine_labelIds.png")
        Image.fromarray(frame.instances.astype(np.uint16)).save(labels / f"{stem}_gtFine_instanceIds.png")
        Image.fromarray(frame.prediction.astype(np.uint8)).save(predictions / f"{stem}.png")
    return dataset, predictions


def score(frames: list[Frame], space: LabelSpace = CITYSCAPES) -> CityscapesScores:
    predictions = [space.encode(frame.prediction.astype(np.uint8)) for frame in frames]
    with_void = any((prediction == IGNORE_INDEX).any() for prediction in predictions)
    confusion, instances = ConfusionMatrix(space.num_classes, void_column=with_void), InstanceHits(space)
    for frame, prediction in zip(frames, predictions, strict=True):
        truth = space.encode(frame.truth.astype(np.uint8))
        confusion.update(torch.from_numpy(prediction), torch.from_numpy(truth))
        instances.update(frame.prediction.astype(np.uint8), frame.instances.astype(np.uint16))
    return CityscapesScores(confusion.counts.numpy(), space, instances)


def assert_same(ours: float | None, official: float) -> None:
    assert np.isnan(official) if ours is None else ours == pytest.approx(official, rel=0, abs=TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_equals_the_official_evaluation(case: str, tmp_path: Path) -> None:
    frames = draw(case)
    official = evaluate_officially(*write(frames, tmp_path), tmp_path / "official")
    ours = score(frames).to_dict()

    for name, row in ours["per_class"].items():
        assert_same(row["iou"], official["classScores"][name])
        assert_same(row["iiou"], official["classInstScores"][name])
    for name, row in ours["per_category"].items():
        assert_same(row["iou"], official["categoryScores"][name])
        assert_same(row["iiou"], official["categoryInstScores"][name])
    assert_same(ours["mean_class_iou"], official["averageScoreClasses"])
    assert_same(ours["mean_class_iiou"], official["averageScoreInstClasses"])
    assert_same(ours["mean_category_iou"], official["averageScoreCategories"])
    assert_same(ours["mean_category_iiou"], official["averageScoreInstCategories"])
    # and the official evaluation scores nothing that ours does not
    assert {name for name, iou in official["classScores"].items() if not np.isnan(iou)} <= set(ours["per_class"])
    assert {name for name, iou in official["categoryScores"].items() if not np.isnan(iou)} <= set(ours["per_category"])


def test_the_cases_hold_what_they_are_for() -> None:
    everything = draw("everything")
    assert {i for frame in everything for i in np.unique(frame.truth)} == set(range(34))
    scores = score(everything)
    assert set(scores.instances.rows[:, 0]) == {label.train_id for label in CITYSCAPES.classes if label.has_instances}
    assert not np.isnan(scores.class_iou).any()
    assert np.isnan(score(draw("classes that never occur")).class_iiou).sum() == 11 + 5
    assert not len(score(draw("only groups")).instances.rows)
    assert np.isnan(score(draw("only void")).class_iou).all()


@pytest.mark.parametrize("seed", range(5))
def test_order_and_merging_never_show(seed: int) -> None:
    frames = draw("everything")
    whole = score(frames)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frames))
    parts = [score([frames[i] for i in part]) for part in np.array_split(order, 3)]
    instances = InstanceHits(CITYSCAPES)
    instances.rows = rng.permutation(np.concatenate([part.instances.rows for part in parts]))
    merged = CityscapesScores(sum(part.counts for part in parts), CITYSCAPES, instances)
    assert instances.rows.dtype == np.int64
    assert merged.to_dict() == whole.to_dict()


def test_without_instances_only_the_weighted_scores_are_unknown() -> None:
    scores = score(draw("everything"))
    without = CityscapesScores(scores.counts, CITYSCAPES)
    assert without.mean_class_iou == scores.mean_class_iou == Scores(scores.counts, CITYSCAPES.class_names).miou
    assert without.mean_category_iou == scores.mean_category_iou
    assert without.to_dict()["mean_class_iiou"] is without.to_dict()["mean_category_iiou"] is None


def test_a_subset_by_hand() -> None:
    """Road, car and bus of the demo scenes; what it does not have is void, in truth and among the instances."""
    road, car, bus = (DEMO.class_names.index(name) for name in ("road", "car", "bus"))
    truth = [7, 7, 26, 26, 26, 26, 28, 28, 27]
    instance_ids = np.array([[7, 7, 26, 26001, 26001, 26001, 28001, 28001, 27001]])  # a group; a truck that is void
    prediction = np.array([[road, car, car, car, bus, road, bus, car, car]], np.uint8)
    confusion, hits = ConfusionMatrix(DEMO.num_classes), InstanceHits(DEMO)
    confusion.update(torch.from_numpy(prediction), torch.from_numpy(DEMO.encode(np.array([truth], np.uint8))))
    hits.update(DEMO.decode(prediction), instance_ids)
    assert hits.rows.tolist() == [[car, 3, 1, 2], [bus, 2, 1, 2]]

    scores = CityscapesScores(confusion.counts.numpy(), DEMO, hits).to_dict()
    car_weight, bus_weight = 12794.0202738185 / 3, 35732.1511111111 / 2
    assert scores["per_class"]["car"] == {
        "iou": 2 / 6,
        "iiou": pytest.approx(car_weight / (3 * car_weight + 2)),
    }
    assert scores["per_class"]["wall"] == {"iou": None, "iiou": None}
    assert scores["per_category"]["vehicle"] == {
        "iou": 5 / 7,
        "iiou": pytest.approx((2 * car_weight + 2 * bus_weight) / (3 * car_weight + 2 * bus_weight + 1)),
    }
    assert scores["mean_category_iou"] == pytest.approx((1 / 3 + 5 / 7) / 2)  # flat, vehicle; the others never occur


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Cityscapes has 19 classes, but the counts have the shape \(3, 3\)"):
        CityscapesScores(np.zeros((3, 3), np.int64), CITYSCAPES)
    with pytest.raises(ValueError, match="label table is Cityscapes, but the instances are of demo"):
        CityscapesScores(np.zeros((19, 19), np.int64), CITYSCAPES, InstanceHits(DEMO))
