"""The processing of pixels between the file and the network. Only this module uses albumentations."""

import math
import os
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segrnn.datasets.crops import draw_window
from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray, is_whole

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # otherwise its import looks for newer versions on the internet
import albumentations as A


def base_factor(image: ByteArray, base_size: Sequence[int] | None) -> float:
    """Return the greatest factor at which an image fits into a base size, or 1 if there is no base size.

    This is mmsegmentation's ``keep_ratio``: the image's short side becomes that of `base_size`, unless the long side
    would then be longer than that of `base_size`.

    Args:
        image: the image, ``(H, W, 3)``.
        base_size: the short and the long side.

    Example:
        >>> base_factor(np.zeros((100, 300, 3), np.uint8), (50, 200)), base_factor(np.zeros((100, 800, 3)), (50, 200))
        (0.5, 0.25)
    """
    if base_size is None:
        return 1.0
    short, long = sorted(image.shape[:2])
    return min(base_size[0] / short, base_size[1] / long)


_CHANNELS, _LARGEST_SCALE, _LARGEST_SIDE = 3, 64, 2**16
"""The number of channels, and the largest scale and side that a file may ask for: the result must fit into memory."""


@dataclass(frozen=True)
class Preprocessing:
    """The processing that every image goes through, in training, evaluation and prediction alike.

    Args:
        mean: the mean of each channel, for values in 0..1.
        std: the standard deviation of each channel, for values in 0..1.
        scale: the size at which the network sees an image, relative to the base size, or else to the file's size.
        base_size: the short and the long side of the base size. `base_factor` scales every image to fit into it.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> Preprocessing((0.5,) * 3, (0.5,) * 3, scale=0.5)(np.zeros((6, 8, 3), np.uint8)).shape
        torch.Size([3, 3, 4])
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1.0
    base_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, values in {"mean": self.mean, "std": self.std, "scale": (self.scale,)}.items():
            lowest = -math.inf if name == "mean" else 0
            if not all(isinstance(value, int | float) and lowest < value < math.inf for value in values):
                raise ValueError(f"{name} must be numbers{'' if name == 'mean' else ' above 0'}, got {list(values)}")
        if not len(self.mean) == len(self.std) == _CHANNELS:
            raise ValueError(f"mean and std must be {_CHANNELS} numbers, got {len(self.mean)} and {len(self.std)}")
        if self.scale > _LARGEST_SCALE:
            raise ValueError(f"scale must be at most {_LARGEST_SCALE}, got {self.scale}")
        if self.base_size and not (
            len(self.base_size) == 2 and all(is_whole(s, 1, _LARGEST_SIDE) for s in self.base_size)
        ):
            raise ValueError(f"base_size must be two whole numbers of 1 to {_LARGEST_SIDE}, got {list(self.base_size)}")

    def __call__(self, image: ByteArray) -> Tensor:
        """Turn an image ``(H, W, 3)`` of bytes into the network's input ``(3, H', W')``."""
        return self.resize(image, self.factor(image))

    def factor(self, image: ByteArray) -> float:
        """Return the size at which the network sees an image ``(H, W, 3)``, relative to the image's own size."""
        return self.scale * base_factor(image, self.base_size)

    def resize(self, image: ByteArray, factor: float) -> Tensor:
        """Return the network's input ``(3, H', W')`` for an image, or for a part of one, at another size."""
        return self.normalize(self.pixels(image, factor))

    def pixels(self, image: ByteArray, factor: float) -> Tensor:
        """Return an image as bytes ``(3, H', W')`` at another size."""
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        return to_tensor(A.Resize(height, width, area_for_downscale="image")(image=image)["image"])

    def normalize(self, pixels: Tensor) -> Tensor:
        """Turn bytes ``(..., 3, H, W)`` into float32 of mean 0 and deviation 1, on the same device."""
        mean, std = (255 * torch.tensor(c, device=pixels.device)[:, None, None] for c in (self.mean, self.std))
        return (pixels - mean) / std

    def denormalize(self, values: Tensor) -> Tensor:
        """Turn normalised values ``(..., 3, H, W)`` back into the nearest bytes."""
        mean, std = (torch.tensor(numbers).view(3, 1, 1).to(values) for numbers in (self.mean, self.std))
        return ((values * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Return primitives for a checkpoint."""
        base_size = None if self.base_size is None else list(self.base_size)
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std), "base_size": base_size}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        """Make the preprocessing from the result of `to_dict`."""
        base_size = values.get("base_size")  # older checkpoints have no base size
        return cls(tuple(values["mean"]), tuple(values["std"]), values["scale"], base_size and tuple(base_size))


class Augmentation:
    """Draws a random scale, crop, flip and change of colour for training.

    The random values depend only on the seed and the sample's counter, not on the number of loading processes. Pixels
    of a crop outside the image are void. The crop is cut out first and scaled afterwards. So its cost depends on its
    own size, not on the size of the image.

    Args:
        crop: height and width of the result.
        scale: the least and the greatest factor from the base size, or else from the file's size.
        max_class_share: the share of a crop's valid pixels that one class may cover. Above it, another crop is drawn; 1
            takes every crop.
        flip: the probability of a horizontal flip.
        color: the strength of changes in brightness, contrast and saturation, 0 to 1. Hue changes by a tenth of it.
        seed: the seed of the whole run.
        base_size: the short and the long side of the base size. `base_factor` scales every image to fit into it.

    Raises:
        ValueError: a scale or a side is not above 0, or the greater one comes first.
    """

    def __init__(
        self,
        crop: Sequence[int],
        scale: Sequence[float],
        max_class_share: float,
        flip: float,
        color: float,
        seed: int,
        base_size: Sequence[int] | None = None,
    ) -> None:
        low, high = scale
        if not 0 < low <= high:
            raise ValueError(f"scale must be two factors above 0, the smaller one first, got {list(scale)}")
        if base_size and not 0 < base_size[0] <= base_size[1]:
            raise ValueError(f"base_size must be two sides above 0, the shorter one first, got {list(base_size)}")
        self.crop, self.scale, self.max_class_share, self.seed = crop, scale, max_class_share, seed
        self.base_size = base_size
        height, width = crop
        # averaging over areas is slow, and useful only if linear interpolation would skip pixels
        steps: list[A.BasicTransform] = [
            A.Resize(height, width, area_for_downscale="image" if base_size or low < 0.5 else None),
            A.HorizontalFlip(p=flip),
        ]
        if color:
            steps.append(A.ColorJitter(color, color, color, color / 10, p=1))
        self.pipeline = A.Compose(steps)

    def __call__(self, image: ByteArray, mask: ByteArray, counter: int) -> tuple[Tensor, Tensor]:
        """Draw the crop of a sample: image ``(3, h, w)`` and train ids ``(h, w)``, both uint8."""
        rng = np.random.default_rng([self.seed, counter])
        base = base_factor(image, self.base_size)
        scale = [base * factor for factor in self.scale]
        window = draw_window(mask, self.crop, scale, self.max_class_share, rng)
        # one generator for the whole pipeline: with a seed, every step would start with the same random numbers
        self.pipeline.set_random_state(rng, random.Random(self.seed * 10**9 + counter))
        out = self.pipeline(image=window.cut(image, 0), mask=window.cut(mask, IGNORE_INDEX))
        return to_tensor(out["image"]), torch.from_numpy(out["mask"].copy())


def to_tensor(image: ByteArray) -> Tensor:
    """Turn an image ``(H, W, C)`` into a contiguous tensor ``(C, H, W)``."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
