import numpy as np
import pytest

from segrnn.labels import ADE20K, ForeignIdError


def test_150_classes_follow_the_ids_and_0_is_ignored() -> None:
    assert ADE20K.num_classes == 150
    assert ADE20K.encode(np.arange(151, dtype=np.uint8)).tolist() == [255, *range(150)]
    assert len(set(ADE20K.class_names)) == 150


@pytest.mark.parametrize(
    ("id", "name"),
    [
        (1, "wall"),
        (2, "building, edifice"),
        (3, "sky"),
        (13, "person, individual, someone, somebody, mortal, soul"),
        (21, "car, auto, automobile, machine, motorcar"),
        (62, "bridge, span"),
        (84, "truck, motortruck"),
        (97, "escalator, moving staircase, moving stairway"),
        (116, "bag"),
        (128, "bicycle, bike, wheel, cycle"),
        (137, "traffic light, traffic signal, stoplight"),
        (150, "flag"),
    ],
)
def test_names_of_the_challenge(id: int, name: str) -> None:
    assert ADE20K.classes[id - 1].name == name


@pytest.mark.parametrize("foreign", [151, 255])
def test_ids_beyond_the_challenge_are_refused(foreign: int) -> None:
    with pytest.raises(ForeignIdError, match=rf"ids \[{foreign}\] are not in the ADE20K"):
        ADE20K.encode(np.array([[0, 150, foreign]], np.uint8))
