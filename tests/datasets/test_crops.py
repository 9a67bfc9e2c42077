import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from segrnn.datasets import Augmentation
from segrnn.datasets.crops import Window, draw_window
from segrnn.images import read_image, read_label


def draw(mask: np.ndarray, crop: tuple[int, int], counter: int = 0, share: float = 1, scale: float = 1) -> Window:
    return draw_window(mask, crop, (scale, scale), share, np.random.default_rng([0, counter]))


def cut_slowly(array: np.ndarray, window: Window, fill: int) -> np.ndarray:
    """Pad so far that every window lies inside, then slice."""
    margin = 40
    padding = [(margin, margin), (margin, margin), *[(0, 0)] * (array.ndim - 2)]
    padded = np.pad(array, padding, constant_values=fill)
    top, left = window.top + margin, window.left + margin
    return padded[top : top + window.height, left : left + window.width]


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 3)])
def test_a_window_cuts_as_padding_and_slicing_do(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(1, 200, shape, dtype=np.uint8)
    beyond = 0
    for _ in range(2000):
        top, left, height, width = (int(value) for value in rng.integers([-25, -25, 1, 1], [25, 25, 16, 16]))
        window = Window(top, left, height, width)
        beyond += top + height <= 0 or left + width <= 0 or top >= 9 or left >= 13
        cut = window.cut(array, 255)
        assert cut.dtype == np.uint8
        np.testing.assert_array_equal(cut, cut_slowly(array, window, 255), str(window))
    assert beyond > 500


@pytest.mark.parametrize("scale", [0.5, 0.77, 1, 1.9])
def test_a_window_has_the_size_of_the_crop_over_the_scale_and_lies_inside(scale: float) -> None:
    mask = np.zeros((64, 96), np.uint8)
    for counter in range(200):
        window = draw(mask, (24, 40), counter, scale=scale)
        assert (window.height, window.width) == (round(24 / scale), round(40 / scale))
        assert 0 <= window.top <= 64 - window.height
        assert 0 <= window.left <= 96 - window.width


def test_scales_are_drawn_between_their_bounds() -> None:
    rng = np.random.default_rng(0)
    heights = [draw_window(np.zeros((900, 900), np.uint8), (200, 200), (0.5, 2), 1, rng).height for _ in range(500)]
    factors = 200 / np.array(heights)
    assert 0.5 <= factors.min() < 0.52
    assert 1.96 < factors.max() <= 2
    assert factors.mean() == pytest.approx(1.25, abs=0.06)


@pytest.mark.parametrize(("size", "first"), [(12, 0), (5, -4)], ids=["image is larger", "window is larger"])
def test_all_offsets_are_equally_likely(size: int, first: int) -> None:
    """The least and the greatest are those at which the smaller one touches the larger one's border."""
    mask = np.zeros((size, 30), np.uint8)
    window_of = [draw(mask, (9, 30), counter) for counter in range(4000)]
    offsets, counts = np.unique([window.top for window in window_of], return_counts=True)
    count = abs(size - 9) + 1
    assert offsets.tolist() == list(range(first, first + count))
    assert abs(counts - 4000 / count).max() < 4 * (4000 / count) ** 0.5
    assert {window.left for window in window_of} == {0}


def test_no_pixel_of_a_small_image_is_lost() -> None:
    mask = np.arange(1, 21, dtype=np.uint8).reshape(4, 5)
    for counter in range(100):
        part = draw(mask, (7, 6), counter).cut(mask, 255)
        assert sorted(part[part != 255].tolist()) == mask.ravel().tolist()


def share_above(mask: np.ndarray, share: float) -> float:
    """How many of the crops show one class in more than three quarters of their valid pixels."""
    crops = [draw(mask, (32, 32), counter, share).cut(mask, 255) for counter in range(1500)]
    counts = [np.bincount(crop[crop != 255], minlength=255) for crop in crops]
    return float(np.mean([count.max() > 0.75 * count.sum() for count in counts]))


def test_crops_of_one_class_are_rare_where_they_are_not_wanted() -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[:48, :48] = np.arange(48) % 2 + 1
    of_all = share_above(mask, 1)
    assert of_all > 0.8
    assert share_above(mask, 0.75) == pytest.approx(of_all**10, abs=0.06)  # all of ten tries must fail


def test_void_pixels_do_not_count() -> None:
    mask = np.full((64, 64), 255, np.uint8)
    mask[::2, ::2] = np.arange(32) % 2
    assert draw(mask, (32, 32), share=0.6) == draw(mask, (32, 32), share=1)


@pytest.mark.parametrize("value", [255, 3])
def test_masks_of_void_or_of_one_class_end_with_some_crop(value: int) -> None:
    mask = np.full((64, 64), value, np.uint8)
    window = draw(mask, (32, 32), share=0.5)
    assert window.cut(mask, 255).shape == (32, 32)
    assert window == draw(mask, (32, 32), share=0.5)


def augmented(image: np.ndarray, mask: np.ndarray, counter: int) -> tuple[torch.Tensor, torch.Tensor]:
    augmentation = Augmentation((24, 40), (0.4, 2), max_class_share=0.6, flip=0.5, color=0.3, seed=7)
    return augmentation(image, mask, counter)


def test_what_is_drawn_from_disk_is_what_is_drawn_from_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), rng.integers(0, 3, (60, 80), dtype=np.uint8)
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "mask.npy", mask)
    for counter in range(50):
        packed = read_image(tmp_path / "image.npy"), read_label(tmp_path / "mask.npy")
        assert not packed[0].flags.writeable
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            from_disk = augmented(*packed, counter)
        for a, b in zip(from_disk, augmented(image, mask, counter), strict=True):
            assert torch.equal(a, b)


def test_a_crop_of_the_whole_image_is_no_view_of_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.zeros((24, 40, 3), np.uint8))
    np.save(tmp_path / "mask.npy", np.zeros((24, 40), np.uint8))
    whole = Augmentation((24, 40), (1, 1), max_class_share=1, flip=0, color=0, seed=0)
    image, mask = whole(read_image(tmp_path / "image.npy"), read_label(tmp_path / "mask.npy"), 0)
    image += 1
    mask += 1
    assert not read_image(tmp_path / "image.npy").any()
    assert not read_label(tmp_path / "mask.npy").any()
