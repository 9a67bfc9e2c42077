import hashlib
import itertools
import os
import random

import numpy as np
import pytest
import torch

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A

from segrnn.datasets import Augmentation, EndlessSampler
from segrnn.datasets.color_jitter import ColorJitter
from segrnn.images import Preprocessing
from segrnn.images.resizing import resize_image, resize_mask


def augmentation(scale: tuple[float, float] = (0.5, 2), **changes: object) -> Augmentation:
    settings = {"crop": (24, 40), "scale": scale, "max_class_share": 1, "flip": 0.5, "color": 0.0, "seed": 0}
    return Augmentation(**{**settings, **changes})


def scene(size: tuple[int, int] = (30, 50)) -> tuple[np.ndarray, np.ndarray]:
    """An image whose red and green are its coordinates, and a mask of two classes."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.uint8)
    mask = np.where(columns > rows, 3, 5).astype(np.uint8)
    return np.stack([rows * 4, columns * 4, mask], axis=-1), mask


GOLDEN = {
    "defaults": ({}, "575ecc60cc5a1076"),
    "odd sides": ({"crop": (33, 47), "scale": (0.3, 1.7), "color": 1.0}, "4a89ea5d46a52a82"),
    "own size": ({"scale": (1, 1), "color": 0.05}, "55430ae84fa9c1ce"),
    "base size": ({"base_size": (24, 64), "scale": (0.8, 1.6), "max_class_share": 0.5}, "8914dad6019a02c1"),
    "without colours": ({"color": 0.0, "flip": 1.0}, "35f3fe962a984d81"),
}
"""Settings, and the beginning of a digest of the samples that albumentations made of them."""


@pytest.mark.parametrize(("changes", "digest"), GOLDEN.values(), ids=GOLDEN)
def test_samples_stay_the_same_to_the_bit(changes: dict[str, object], digest: str) -> None:
    draw = augmentation(**{"crop": (48, 64), "scale": (0.5, 2.0), "color": 0.3, "seed": 7, **changes})
    rng = np.random.default_rng(11)
    seen = hashlib.sha256()
    for counter in range(6):
        size = (41 + 7 * counter, 53 + 9 * counter)
        image, mask = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 5, size, np.uint8)
        for part in draw(image, mask, counter):
            seen.update(part.numpy().tobytes())
    assert seen.hexdigest()[:16] == digest


@pytest.mark.parametrize("strength", [0.02, 0.4, 1.0])
def test_colours_are_those_of_albumentations(strength: float) -> None:
    image = np.random.default_rng(1).integers(0, 256, (37, 53, 3), np.uint8)
    twin = A.ColorJitter(strength, strength, strength, strength / 10, p=1)
    for seed in range(30):
        rng, py_random = np.random.default_rng(seed), random.Random(seed)
        ours = ColorJitter(strength)(image, rng, py_random)
        twin.set_random_state(np.random.default_rng(seed), random.Random(seed))
        assert np.array_equal(ours, twin(image=image)["image"])
        assert (rng.random(), py_random.random()) == (twin.random_generator.random(), twin.py_random.random())


@pytest.mark.parametrize("size", [(41, 67), (13, 90), (80, 20), (41, 100), (1, 1)])
@pytest.mark.parametrize("area", [True, False])
def test_sizes_are_those_of_albumentations(size: tuple[int, int], area: bool) -> None:
    rng = np.random.default_rng(2)
    image, mask = rng.integers(0, 256, (41, 67, 3), np.uint8)[:, ::-1], rng.integers(0, 9, (41, 67), np.uint8)
    twin = A.Resize(*size, area_for_downscale="image" if area else None)(image=image, mask=mask)
    assert np.array_equal(resize_image(image, size, area), twin["image"])
    assert np.array_equal(resize_mask(mask, size), twin["mask"])


@pytest.mark.parametrize("counter", range(20))
def test_no_label_is_invented_and_missing_pixels_are_void(counter: int) -> None:
    image, mask = scene()
    out, target = augmentation()(image, mask, counter)
    assert out.shape == (3, 24, 40)
    assert target.shape == (24, 40)
    assert out.dtype == target.dtype == torch.uint8
    assert set(target.unique().tolist()) <= {3, 5, 255}


@pytest.mark.parametrize("counter", range(20))
def test_image_and_mask_move_together(counter: int) -> None:
    image, mask = scene()
    out, target = augmentation(scale=(1, 1))(image, mask, counter)
    assert torch.equal(out[2], target)


def test_padding_is_void() -> None:
    image, mask = scene((10, 12))
    _, target = augmentation(scale=(1, 1))(image, mask, 0)
    assert (target == 255).sum() == 24 * 40 - 10 * 12


def test_what_is_drawn_depends_on_seed_and_counter_alone() -> None:
    image, mask = scene()
    first = augmentation(color=0.5)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    a = [first(image, mask, counter)[0] for counter in range(8)]
    random.seed(2)
    np.random.seed(2)
    torch.manual_seed(2)
    again = augmentation(color=0.5)
    b = [again(image, mask, counter)[0] for counter in reversed(range(8))]
    assert all(torch.equal(x, y) for x, y in zip(a, reversed(b), strict=True))
    assert len({x.numpy().tobytes() for x in a}) == 8
    assert not torch.equal(augmentation(color=0.5, seed=1)(image, mask, 0)[0], a[0])


def test_flips_are_as_frequent_as_asked_and_independent_of_the_crop() -> None:
    image, mask = scene()
    crop = augmentation(scale=(1, 1), crop=(24, 40))
    outs = [crop(image, mask, counter)[0] for counter in range(300)]
    flipped = np.array([bool(out[1, 0, 0] > out[1, 0, -1]) for out in outs])
    top = np.array([float(out[0, 0, 0]) for out in outs])
    assert 0.4 < flipped.mean() < 0.6
    assert abs(np.corrcoef(flipped, top)[0, 1]) < 0.15


@pytest.mark.parametrize("size", [(240, 400), (24, 40), (12, 20)])
def test_crops_have_the_scale_of_the_base_size(size: tuple[int, int]) -> None:
    """Whatever the file's size: a crop as large as the base size shows the whole image."""
    image, mask = scene((24, 40))
    factor = size[0] / 24
    rows, columns = ((np.arange(side) / factor).astype(int) for side in size)
    image, mask = image[rows][:, columns], mask[rows][:, columns]
    out, target = augmentation((1, 1), flip=0, base_size=(24, 64))(image, mask, 0)
    assert not (target == 255).any()
    seen = torch.from_numpy(image).permute(2, 0, 1)
    assert torch.equal(out[:, 0, 0], seen[:, 0, 0])
    _, quarter = augmentation((0.5, 0.5), base_size=(24, 64))(image, mask, 0)
    assert (quarter == 255).float().mean() == 0.75


def test_training_and_prediction_see_the_same_pixels_at_a_base_size() -> None:
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 255, (60, 100, 3), dtype=np.uint8), np.zeros((60, 100), np.uint8)
    seen = Preprocessing((0,) * 3, (1 / 255,) * 3, base_size=(24, 64))(image)
    out, _ = augmentation((1, 1), flip=0, base_size=(24, 64))(image, mask, 0)
    torch.testing.assert_close(out.float(), seen)


@pytest.mark.parametrize("base_size", [(2048, 512), (0, 5)])
def test_bad_base_sizes_are_refused(base_size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="two sides above 0, the shorter one first, got"):
        augmentation(base_size=base_size)


def test_bad_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="two factors above 0, the smaller one first"):
        augmentation(scale=(2, 1))


def test_each_pass_sees_each_image_once_in_its_own_order() -> None:
    drawn = list(itertools.islice(EndlessSampler(length=7, seed=3), 21))
    assert [counter for counter, _ in drawn] == list(range(21))
    passes = [tuple(index for _, index in drawn[start : start + 7]) for start in (0, 7, 14)]
    assert all(sorted(order) == list(range(7)) for order in passes)
    assert len(set(passes)) == 3
    assert drawn == list(itertools.islice(EndlessSampler(length=7, seed=3), 21))
    assert drawn != list(itertools.islice(EndlessSampler(length=7, seed=4), 21))


def test_processes_share_one_stream() -> None:
    whole = list(itertools.islice(EndlessSampler(length=7, seed=0), 12))
    parts = [list(itertools.islice(EndlessSampler(7, 0, rank, world_size=3), 4)) for rank in range(3)]
    assert sorted(itertools.chain(*parts)) == sorted(whole)
