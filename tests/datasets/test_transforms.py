"""The user's own transforms: applied to image and mask together, and refused if they would part them."""

import os
import random

import numpy as np
import pytest

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
import torch

from segrnn.datasets import Augmentation
from segrnn.datasets.transforms import Transform, apply_transforms, check_transforms
from segrnn.errors import ConfigError

CROP = (40, 56)


def augmentation(*transforms: A.BasicTransform | A.BaseCompose, seed: int = 0) -> Augmentation:
    named = {f"{number} ({type(each).__name__})": each for number, each in enumerate(transforms)}
    check_transforms(named, CROP)
    return Augmentation(CROP, (0.8, 1.3), 1, flip=0.5, color=0.3, seed=seed, transforms=named)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """An image whose channels are its mask, so that a pixel shows to which label it belongs."""
    rows, columns = np.mgrid[:50, :70]
    mask = (1 + (rows // 9 + columns // 11) % 6).astype(np.uint8)
    return np.repeat(40 * mask[..., None], 3, axis=-1), mask


EIGHT = (
    lambda: A.Affine(rotate=(-20, 20), shear=(-8, 8), interpolation=0, fill_mask=255, p=0.7),
    lambda: A.Perspective(scale=(0.02, 0.08), interpolation=0, fill_mask=255, p=0.5),
    lambda: A.GridDistortion(interpolation=0, fill_mask=255, p=0.5),
    lambda: A.RandomGamma(p=0.5),
    lambda: A.OneOf([A.GaussianBlur(), A.MotionBlur()], p=0.3),
    lambda: A.GaussNoise(std_range=(0.01, 0.05), p=0.5),
    lambda: A.ImageCompression(quality_range=(40, 90), p=0.4),
    lambda: A.CoarseDropout(p=0.3),
)


def test_what_is_drawn_depends_on_seed_and_counter_alone() -> None:
    image, mask = scene()
    draw, again, other = (augmentation(*(make() for make in EIGHT), seed=seed) for seed in (0, 0, 1))
    first = [draw(image, mask, counter) for counter in range(6)]
    np.random.seed(3)
    random.seed(3)
    second = [again(image, mask, counter) for counter in reversed(range(6))][::-1]
    assert all(torch.equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))
    assert len({one.numpy().tobytes() for one, _ in first}) == 6
    assert not torch.equal(other(image, mask, 0)[0], first[0][0])


def test_image_and_mask_move_together_and_the_rest_is_void() -> None:
    image, mask = scene()
    rng = np.random.default_rng(0)
    voids = 0
    for seed in range(20):
        moves = {str(number): make() for number, make in enumerate(EIGHT[:3])}
        out, target = apply_transforms(moves, image, mask, rng, random.Random(seed))
        valid = target != 255
        assert np.array_equal(out[valid], np.repeat(40 * target[valid][..., None], 3, axis=-1))
        assert set(np.unique(target)) <= {1, 2, 3, 4, 5, 6, 255}
        voids += int((~valid).sum())
    assert voids


class FlipsImageOnly(A.ImageOnlyTransform):
    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        return np.ascontiguousarray(img[:, ::-1])


class MovesImageOnly(A.DualTransform):
    _targets = (A.core.type_definitions.Targets.IMAGE, A.core.type_definitions.Targets.MASK)

    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        return np.roll(img, img.shape[0] // 3, axis=0)

    def apply_to_mask(self, mask: np.ndarray, **params: object) -> np.ndarray:
        return mask


class DrawsGlobally(A.ImageOnlyTransform):
    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        return (img + np.random.randint(0, 9, img.shape)).astype(np.uint8)


class ChangesMaskInPlace(A.DualTransform):
    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        return img

    def apply_to_mask(self, mask: np.ndarray, **params: object) -> np.ndarray:
        mask[0] = 99
        return mask


class GivesNothing(A.NoOp):
    def __call__(self, *args: object, force_apply: bool = False, **kwargs: object) -> None:  # type: ignore[override]
        return None


BAD = [
    (FlipsImageOnly(), r"^0 \(FlipsImageOnly\) moves the image and not the mask"),
    (MovesImageOnly(), r"^0 \(MovesImageOnly\) moves the image and not the mask"),
    (A.OneOf([FlipsImageOnly()], p=0.1), r"^0 \(OneOf\) moves the image and not the mask"),
    (A.RandomCrop(20, 20), r"^0 \(RandomCrop\) makes 20 x 20 x 3 of a crop's image of 40 x 56 x 3, and the size"),
    (A.Transpose(), r"^0 \(Transpose\) makes 56 x 40 x 3 .*: a square data\.crop can be turned"),
    (A.ToFloat(), r"^0 \(ToFloat\) makes float32 of the image, which must stay an array of uint8"),
    (A.Normalize(), r"^0 \(Normalize\) makes float32 of the image"),
    (A.ToTensorV2(), r"^0 \(ToTensorV2\) makes Tensor of the image"),
    (A.Rotate((30, 30), mask_interpolation=1, fill_mask=255), r"^0 \(Rotate\) makes up ids: \[.*mask_interpolation: 0"),
    (ChangesMaskInPlace(), r"^0 \(ChangesMaskInPlace\) makes up ids: \[99\] is not in the mask"),
    (DrawsGlobally(), r"^0 \(DrawsGlobally\) gives other pixels when a sample is drawn again: .*self\.py_random"),
    (A.FDA(metadata_key="other"), r"^0 \(FDA\)"),
    (GivesNothing(), r"^0 \(GivesNothing\) must return a dictionary with image and mask, and returns NoneType"),
]


@pytest.mark.parametrize(("transform", "message"), BAD, ids=[type(each).__name__ for each, _ in BAD])
def test_transforms_that_part_image_and_mask_are_refused(transform: Transform, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        augmentation(transform)


GOOD = [
    A.Rotate((30, 90), fill_mask=255),
    A.Rotate((30, 90), fill_mask=3),
    A.VerticalFlip(),
    A.RandomGridShuffle(),
    A.ElasticTransform(fill_mask=255),
    A.CoarseDropout(fill_mask=255),
    A.MaskDropout(fill_mask=255),
    A.Equalize(),
    A.InvertImg(),
    A.MotionBlur(blur_limit=(9, 9)),
    A.ShotNoise(),
    A.RandomSunFlare(),
    A.Solarize(),
    A.SomeOf([A.HorizontalFlip(p=1), A.GaussNoise(p=1)], n=2),
]


@pytest.mark.parametrize("transform", GOOD, ids=[type(each).__name__ for each in GOOD])
def test_transforms_of_albumentations_pass(transform: Transform) -> None:
    augmentation(transform)


def test_a_transform_that_goes_wrong_later_is_told_as_well() -> None:
    """A transform that depends on the image may pass on drawn samples."""

    class Sometimes(A.DualTransform):
        def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
            return img

        def apply_to_mask(self, mask: np.ndarray, **params: object) -> np.ndarray:
            return np.where(mask == 4, 77, mask).astype(np.uint8)

    draw = augmentation(Sometimes(p=1))
    with pytest.raises(ConfigError, match=r"^0 \(Sometimes\) makes up ids: \[77\]"):
        draw(*scene(), 0)
