import numpy as np
import pytest

from segrnn.labels import CAMVID_COLORS, ColorCode

TWO = ColorCode({(128, 64, 128): 0, (0, 0, 192): 7}, unknown=11)


def test_every_colour_gives_its_id() -> None:
    picture = np.array([list(CAMVID_COLORS.ids)], np.uint8)
    ids, unknown = CAMVID_COLORS.decode(picture)
    assert ids.tolist() == [list(CAMVID_COLORS.ids.values())]
    assert ids.dtype == np.uint8
    assert unknown == 0


def test_every_other_colour_is_unknown_and_counted() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    picture[rng.random((40, 50)) < 0.5] = 0, 0, 192
    picture[0, :2] = [(128, 64, 128), (192, 0, 0)]  # the second is the other order of a colour
    expected = [[TWO.ids.get(tuple(color), 11) for color in row] for row in picture.tolist()]
    ids, unknown = TWO.decode(picture)
    assert ids.tolist() == expected
    assert unknown == np.count_nonzero(ids == 11) > 0


@pytest.mark.parametrize("color", [(0, 0, 0), (128, 64, 129), (128, 64, 127), (255, 255, 255)])
def test_colours_beside_those_of_the_code_are_unknown(color: tuple[int, int, int]) -> None:
    ids, unknown = TWO.decode(np.array([[color]], np.uint8))
    assert (ids.tolist(), unknown) == ([[11]], 1)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (3, 1)])
def test_pictures_of_any_shape(shape: tuple[int, int]) -> None:
    ids, unknown = TWO.decode(np.zeros((*shape, 3), np.uint8))
    assert ids.shape == shape
    assert unknown == shape[0] * shape[1]
