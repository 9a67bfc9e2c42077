"""What is kept of many images, and how small it is made."""

import numpy as np
import pytest

from segrnn.datasets import Sample
from segrnn.reports import Example, Gallery, spread

MIOUS = {"a": 0.5, "b": 0.1, "c": float("nan"), "d": 0.9, "e": 0.1, "f": 0.7, "g": 0.2}


def sample(name: str, size: tuple[int, int] = (6, 8)) -> Sample:
    return Sample(np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8), name)


def gallery_of(names: str, chosen: str = "", extremes: int = 2) -> Gallery:
    gallery = Gallery(list(chosen), extremes, longest=8)
    for name in names:
        if gallery.wants(name, MIOUS[name]):
            gallery.add(sample(name), sample(name).mask, MIOUS[name])
    return gallery


def names(examples: list[Example]) -> str:
    return "".join(example.name for example in examples)


@pytest.mark.parametrize("order", ["abcdefg", "gfedcba", "cadbegf"])
def test_the_worst_and_the_best_are_the_same_in_any_order(order: str) -> None:
    gallery = gallery_of(order, chosen="ca")
    assert (names(gallery.chosen), names(gallery.worst), names(gallery.best)) == ("ca", "be", "df")


def test_parts_of_several_processes_make_the_whole() -> None:
    gallery, other = gallery_of("aceg", chosen="fa"), gallery_of("bdf", chosen="fa")
    gallery.merge([gallery, other])
    assert (names(gallery.chosen), names(gallery.worst), names(gallery.best)) == ("fa", "be", "df")


def test_few_images_are_worst_and_best_at_once() -> None:
    gallery = gallery_of("abc", extremes=3)
    assert (names(gallery.worst), names(gallery.best)) == ("ba", "ab")
    assert not names(gallery_of("abc", extremes=0).worst)


def test_masks_shrink_by_nearest_pixel_and_images_smoothly() -> None:
    rng = np.random.default_rng(0)
    image, truth = rng.integers(0, 256, (90, 201, 3), np.uint8), rng.choice(np.array([0, 3, 255], np.uint8), (90, 201))
    example = Example.of(Sample(image, truth, "x"), truth[::-1], 0.5, longest=67)
    assert example.image.shape == (30, 67, 3)
    assert example.truth.shape == example.prediction.shape == (30, 67)
    np.testing.assert_array_equal(example.truth, truth[1::3, 1::3])
    np.testing.assert_array_equal(example.prediction, truth[::-1][1::3, 1::3])
    assert abs(example.image.mean() - image.mean()) < 3
    assert example.image.std() < image.std() / 2


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (7, 64)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    example = Example.of(sample("x", size), np.zeros(size, np.uint8), 0.5, longest=64)
    assert example.truth.shape == (max(1, round(size[0] * min(1, 64 / max(size)))), min(size[1], 64))


def test_names_are_spread() -> None:
    assert spread("abcde", 2) == ["a", "e"]
    assert spread("abc", 9) == ["a", "b", "c"]
    assert spread("a", 1) == ["a"]


def test_a_title_says_how_good_a_mask_is() -> None:
    truth = sample("x").mask
    titles = [Example.of(sample("x"), truth, miou, longest=8).title for miou in (0.5, float("nan"))]
    assert titles == ["x, mIoU 50.0 %", "x, all void"]
