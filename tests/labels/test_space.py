import numpy as np
import pytest

from segrnn.labels import ADE20K, CAMVID, CITYSCAPES, DEMO, IGNORE_INDEX, ForeignIdError, Label, LabelSpace

SPACES = pytest.mark.parametrize("space", [CITYSCAPES, CAMVID, ADE20K, DEMO], ids=lambda space: space.name)


def test_cityscapes_has_all_ids_and_evaluates_19() -> None:
    assert sorted(label.id for label in CITYSCAPES.labels) == list(range(-1, 34))
    evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert [label.id for label in CITYSCAPES.classes] == evaluated
    assert {label.name for label in CITYSCAPES.classes if label.has_instances} == {
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    }
    assert CITYSCAPES.categories == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")


def test_camvid_ignores_void() -> None:
    assert CAMVID.num_classes == 11
    assert CAMVID.encode(np.array([0, 10, 11], np.uint8)).tolist() == [0, 10, IGNORE_INDEX]


@SPACES
def test_round_trip_of_every_id(space: LabelSpace) -> None:
    train_ids = np.arange(space.num_classes, dtype=np.uint8)
    assert (space.encode(space.decode(train_ids)) == train_ids).all()
    void = space.decode(np.array([IGNORE_INDEX], np.uint8))
    assert space.encode(void) == IGNORE_INDEX
    ids = np.array([label.id for label in space.labels if label.id >= 0], np.uint8)
    again = space.encode(ids)
    assert (space.decode(again)[again != IGNORE_INDEX] == ids[again != IGNORE_INDEX]).all()


@SPACES
def test_survives_a_checkpoint(space: LabelSpace) -> None:
    again = LabelSpace.from_dict(space.to_dict())
    assert again.labels == space.labels
    assert (again.palette == space.palette).all()


def test_survives_a_checkpoint_with_columns_that_are_gone() -> None:
    table = CAMVID.to_dict()
    rows = [
        {key: row[key] for key in row if key != "instance_size"} | {"has_instances": False} for row in table["labels"]
    ]
    assert LabelSpace.from_dict(table | {"labels": rows}).labels == CAMVID.labels


@pytest.mark.parametrize("foreign", [34, 254, 255])
def test_foreign_ids_are_refused(foreign: int) -> None:
    with pytest.raises(ForeignIdError, match=rf"\[{foreign}\].*Cityscapes"):
        CITYSCAPES.encode(np.array([[7, foreign]], np.uint8))


def test_subset_renumbers_and_voids_the_rest() -> None:
    space = CITYSCAPES.subset("two", ["sky", "road"])
    assert space.class_names == ("sky", "road")
    assert space.encode(np.array([23, 7, 26], np.uint8)).tolist() == [0, 1, IGNORE_INDEX]
    with pytest.raises(ValueError, match="has no class.*'moon'"):
        CITYSCAPES.subset("none", ["moon"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([Label("a", 0, 1, (0, 0, 0))], "each train id from 0 to K-1 must occur once"),
        ([Label("a", 0, 0, (0, 0, 0)), Label("b", 1, 0, (0, 0, 0))], "each train id from 0 to K-1 must occur once"),
        ([Label("a", 0, 0, (0, 0, 0)), Label("b", 0, 255, (0, 0, 0))], "unique"),
        ([Label("void", 0, 255, (0, 0, 0))], "1 to 253 classes"),
    ],
)
def test_bad_tables_are_refused(labels: list[Label], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelSpace("bad", labels)
