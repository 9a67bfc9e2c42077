import numpy as np
import pytest

from segrnn.labels import CITYSCAPES
from segrnn.metrics import InstanceHits

CAR, TRUCK, ROAD = 26, 27, 7
TRAIN_ID_OF_CAR = 13


def by_the_book(prediction: np.ndarray, instance_ids: np.ndarray) -> list[list[int]]:
    """One instance after the other, as the words of the benchmark say it."""
    rows = []
    label_of = {label.id: label for label in CITYSCAPES.labels}
    for instance in np.unique(instance_ids):
        label = label_of[instance // 1000] if instance > 1000 else None
        if label is None or label.train_id == 255:
            continue
        predicted = [label_of[i] for i in prediction[instance_ids == instance]]
        same_class = sum(found == label for found in predicted)
        same_category = sum(found.category == label.category for found in predicted)
        rows.append([label.train_id, len(predicted), same_class, same_category])
    return rows


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_equals_the_slow_twin(dtype: type) -> None:
    rng = np.random.default_rng(0)
    labels = [24, 25, 26, 27, 28, 29, 30, 31, 32, 33]
    ids = [0, 7, 24, 26, 33, *(label * 1000 + number for label in labels for number in range(3))]
    instance_ids = np.kron(rng.choice(ids, (8, 9)), np.ones((3, 5), int)).astype(dtype)
    prediction = rng.integers(0, 34, instance_ids.shape).astype(np.uint8)
    hits = InstanceHits(CITYSCAPES)
    hits.update(prediction, instance_ids)
    assert hits.rows.tolist() == by_the_book(prediction, instance_ids)
    assert hits.rows.dtype == np.int64


def test_groups_and_void_are_no_instances() -> None:
    hits = InstanceHits(CITYSCAPES)
    hits.update(np.full((1, 5), CAR, np.uint8), np.array([[26, 7, 1000, 29001, 9001]]))
    assert hits.rows.shape == (0, 4)
    hits.update(np.full((1, 1), CAR, np.uint8), np.array([[26000]]))  # the first car's number is 0
    assert hits.rows.tolist() == [[TRAIN_ID_OF_CAR, 1, 1, 1]]


def test_the_same_id_in_two_images_is_two_instances() -> None:
    hits = InstanceHits(CITYSCAPES)
    for prediction in (CAR, TRUCK):
        hits.update(np.full((2, 2), prediction, np.uint8), np.full((2, 2), 26001))
    assert hits.rows.tolist() == [[TRAIN_ID_OF_CAR, 4, 4, 4], [TRAIN_ID_OF_CAR, 4, 0, 4]]


def test_bad_masks_are_refused() -> None:
    hits = InstanceHits(CITYSCAPES)
    road = np.full((1, 2), ROAD, np.uint8)
    with pytest.raises(ValueError, match="differ in shape"):
        hits.update(road, np.zeros((2, 1), np.int64))
    with pytest.raises(
        ValueError, match=r"instances \[7001, 99000001\] have labels that have no instances in Cityscapes"
    ):
        hits.update(road, np.array([[7001, 99000001]]))
    assert not len(hits.rows)
