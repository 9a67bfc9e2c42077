"""The user's own random changes of images and masks, and the checks that they keep images and masks together."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np

from segrnn.errors import ConfigError
from segrnn.images.bands import ImageArray
from segrnn.instantiate import call, comes_from_the_user
from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray


@runtime_checkable
class Transform(Protocol):
    """A random change of an image and its mask. The transforms of albumentations are such changes."""

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        """Set the generators that the next call draws from."""
        ...

    def __call__(self, *, force_apply: bool = False, image: ImageArray, mask: ByteArray) -> Mapping[str, Any]:
        """Change an image ``(H, W, 3)`` and its mask ``(H, W)``, and return both by these names.

        Args:
            force_apply: whether to change them in any case. Otherwise the transform may draw whether it does.
            image: the image.
            mask: the train ids.
        """
        ...


def apply_transforms(
    transforms: Mapping[str, Transform],
    image: ImageArray,
    mask: ByteArray,
    rng: np.random.Generator,
    py_random: random.Random,
) -> tuple[ImageArray, ByteArray]:
    """Return an image ``(H, W, 3)`` and its mask ``(H, W)`` after all transforms.

    Args:
        transforms: the transforms in their order, by the names that messages give them.
        image: the image.
        mask: the train ids.
        rng: NumPy's generator, from which all transforms draw.
        py_random: Python's generator, from which all transforms draw.

    Raises:
        ConfigError: a transform fails, or its result has another size, another type or new ids.
    """
    for name, transform in transforms.items():
        transform.set_random_state(rng, py_random)
        image, mask = _apply(name, transform, image, mask)
    return image, mask


def check_transforms(transforms: Mapping[str, Transform], size: Sequence[int]) -> None:
    """Try transforms on drawn samples.

    Args:
        transforms: the transforms, by the names that messages give them.
        size: height and width of a sample.

    Raises:
        ConfigError: a transform fails, its result has another size, another type or new ids, it moves the image and not
            the mask, or it draws from a generator that is not set for each sample.
    """
    for name, transform in transforms.items():
        for seed, place in enumerate(_PLACES):
            plain, marked, mask = _draw(size, place)
            image, ids = _try(name, transform, marked, mask, seed)
            again, ids_again = _try(name, transform, marked, mask, seed)
            if not (np.array_equal(image, again) and np.array_equal(ids, ids_again)):
                raise ConfigError(
                    f"{name} gives other pixels when a sample is drawn again: a transform must draw from "
                    "self.random_generator or self.py_random, which are set for each sample"
                )
            unmarked, _ = _try(name, transform, plain, mask, seed)
            _require_together(name, np.abs(image.astype(np.float32) - unmarked).sum(axis=-1), ids)


_PLACES = ((0.2, 0.3), (0.7, 0.15), (0.35, 0.8), (0.85, 0.65))
"""Where the marks of drawn samples lie, as shares of height and width. A mirrored mark lies elsewhere."""

_GROUND, _MARK = 7, 200
"""The ids of drawn samples. A mean of both is neither of them."""

_VISIBLE = 48.0
"""The least change of a pixel's three channels together that shows where a mark is."""


def _draw(size: Sequence[int], place: Sequence[float]) -> tuple[ByteArray, ByteArray, ByteArray]:
    """Return an image, the same image with a bright mark, and the mask of the mark."""
    height, width = size
    plain = np.random.default_rng(0).integers(60, 120, (height, width, 3), np.uint8)
    top, left = (int(share * side) for share, side in zip(place, size, strict=True))
    mark = np.s_[top : top + _mark_side(size), left : left + _mark_side(size)]
    marked, mask = plain.copy(), np.full((height, width), _GROUND, np.uint8)
    marked[mark], mask[mark] = 250, _MARK
    return plain, marked, mask


def _mark_side(size: Sequence[int]) -> int:
    return max(3, min(size) // 16)


def _try(
    name: str, transform: Transform, image: ImageArray, mask: ByteArray, seed: int
) -> tuple[ImageArray, ByteArray]:
    transform.set_random_state(np.random.default_rng(seed), random.Random(seed))
    changed, ids = _apply(name, transform, image.copy(), mask.copy(), force=True)
    _require_known_ids(name, transform, ids, mask)  # a transform may have changed its mask in place
    return changed, ids


def _require_together(name: str, difference: np.ndarray, ids: ByteArray) -> None:
    """Require that a mark lies in the image where the mask says. A transform may have hidden it in either of them."""
    side = _mark_side(ids.shape)
    seen, told = (cv2.blur(each.astype(np.float32), (side, side)) for each in (difference, ids == _MARK))
    if seen.max() < _VISIBLE or told.max() == 0:
        return
    places = [np.array(np.unravel_index(int(each.argmax()), each.shape)) for each in (seen, told)]
    if np.abs(places[0] - places[1]).max() > max(2 * side, 6):
        raise ConfigError(
            f"{name} moves the image and not the mask: a transform that moves pixels must subclass "
            "albumentations.DualTransform, which moves both"
        )


def _apply(
    name: str, transform: Transform, image: ImageArray, mask: ByteArray, force: bool = False
) -> tuple[ImageArray, ByteArray]:
    image = np.require(image, requirements=["C", "W"])  # some transforms change it in place
    mask = np.require(mask, requirements=["C", "W"])
    try:
        out = call(transform, name, force_apply=force, image=image, mask=mask)
    except (ArithmeticError, AttributeError, IndexError, cv2.error) as error:  # crops that are too small, for example
        if comes_from_the_user(error):
            raise
        raise ConfigError(f"{name}: {error}") from error
    if not isinstance(out, Mapping) or not {"image", "mask"} <= out.keys():
        raise ConfigError(f"{name} must return a dictionary with image and mask, and returns {type(out).__name__}")
    for kind, before in (("image", image), ("mask", mask)):
        _require_same_form(name, kind, out[kind], before)
    if out["mask"] is not mask:
        _require_known_ids(name, transform, out["mask"], mask)
    return out["image"], out["mask"]


def _require_same_form(name: str, kind: str, after: Any, before: ImageArray) -> None:
    if not isinstance(after, np.ndarray) or after.dtype != np.uint8:
        found = after.dtype if isinstance(after, np.ndarray) else type(after).__name__
        raise ConfigError(
            f"{name} makes {found} of the {kind}, which must stay an array of uint8: leave out what normalises or "
            "converts, because training does so later"
        )
    if after.shape != before.shape:
        turned = after.shape[:2] == before.shape[1::-1]
        raise ConfigError(
            f"{name} makes {_shape(after)} of a crop's {kind} of {_shape(before)}, and the size must stay: "
            + ("a square data.crop can be turned" if turned else "data.crop and data.scale choose the part of an image")
        )


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape))


def _require_known_ids(name: str, transform: Transform, after: ByteArray, before: ByteArray) -> None:
    new = _ids(after) - _ids(before) - {IGNORE_INDEX} - fills(transform)
    if new:
        raise ConfigError(
            f"{name} makes up ids: {sorted(new)[:5]} {'is' if len(new) == 1 else 'are'} not in the mask before. A mask "
            f"takes the nearest pixel (mask_interpolation: 0), and void is {IGNORE_INDEX}"
        )


def _ids(mask: ByteArray) -> set[int]:
    return set(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist())


def fills(transform: Any) -> set[int]:
    """Return the ids that a transform, or one inside it, is told to fill masks with."""
    own = getattr(transform, "fill_mask", None)
    inner = (fills(each) for each in getattr(transform, "transforms", ()))
    return set(np.ravel([] if own is None else own).astype(int).tolist()).union(*inner)
