import numpy as np
import pytest
import torch

from segrnn.images import Preprocessing

PREPROCESSING = Preprocessing((0.5,) * 3, (0.5,) * 3)


def test_preprocessing_scales_and_normalises() -> None:
    image = np.full((30, 51, 3), 255, np.uint8)
    out = Preprocessing((0.5,) * 3, (0.25,) * 3, scale=2 / 3)(image)
    assert out.shape == (3, 20, 34)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.full_like(out, 2.0))
    assert Preprocessing((0.5,) * 3, (0.25,) * 3, scale=0.1)(image[:1, :1]).shape == (3, 1, 1)
    assert Preprocessing.from_dict(PREPROCESSING.to_dict()) == PREPROCESSING


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((30, 50), (24, 40)),  # the short side decides
        ((51, 30), (41, 24)),
        ((31, 101), (20, 64)),  # the long side would be 78
        ((7, 7), (24, 24)),  # small images grow
        ((1, 99), (1, 64)),
        ((683, 512), (32, 24)),
    ],
)
def test_a_base_size_keeps_the_ratio(size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    assert Preprocessing((0.5,) * 3, (0.5,) * 3, base_size=(24, 64))(image).shape == (3, *expected)
    half = Preprocessing((0.5,) * 3, (0.5,) * 3, scale=0.5, base_size=(24, 64))(image).shape
    assert half == pytest.approx((3, *(max(1, side / 2) for side in expected)), abs=0.5)


def test_a_checkpoint_keeps_base_size_channels_and_depth() -> None:
    preprocessing = Preprocessing((0.5,) * 4, (0.5,) * 4, 2.0, (24, 64), white=65535)
    values = preprocessing.to_dict()
    assert values["base_size"] == [24, 64]
    assert Preprocessing.from_dict(values) == preprocessing
