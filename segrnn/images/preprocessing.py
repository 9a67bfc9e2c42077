"""The processing that every image goes through between the file and the network."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from segrnn.images.bands import BYTE, Bands, ImageArray
from segrnn.images.resizing import resize_image
from segrnn.labels.space import is_whole


def base_factor(size: Sequence[int], base_size: Sequence[int] | None) -> float:
    """Return the greatest factor at which an image fits into a base size, or 1 if there is no base size.

    This is mmsegmentation's ``keep_ratio``: the image's short side becomes that of `base_size`, unless the long side
    would then be longer than that of `base_size`.

    Args:
        size: height and width of the image.
        base_size: the short and the long side.

    Example:
        >>> base_factor((100, 300), (50, 200)), base_factor((100, 800), (50, 200))
        (0.5, 0.25)
    """
    if base_size is None:
        return 1.0
    short, long = sorted(size)
    return min(base_size[0] / short, base_size[1] / long)


_MOST_CHANNELS, _LARGEST_SCALE, _LARGEST_SIDE = 256, 64, 2**16
"""The most channels, and the largest scale and side that a file may ask for: the result must fit into memory."""


@dataclass(frozen=True)
class Preprocessing:
    """The processing that every image goes through, in training, evaluation and prediction alike.

    Args:
        mean: the mean of each of the C channels, for values in 0..1.
        std: the standard deviation of each channel, for values in 0..1.
        scale: the size at which the network sees an image, relative to the base size, or else to the file's size.
        base_size: the short and the long side of the base size. `base_factor` scales every image to fit into it.
        white: the value in a file that counts as 1: 255 for images of 8 bits, 65535 for 16 bits, and usually 1 for
            floats. Only images with a white of 255 are held as bytes; others are held as float32.

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
    white: float = 255

    def __post_init__(self) -> None:
        numbers = {"mean": self.mean, "std": self.std, "scale": (self.scale,), "white": (self.white,)}
        for name, values in numbers.items():
            lowest = -math.inf if name == "mean" else 0
            if not all(isinstance(value, int | float) and lowest < value < math.inf for value in values):
                raise ValueError(f"{name} must be numbers{'' if name == 'mean' else ' above 0'}, got {list(values)}")
        if len(self.mean) != len(self.std) or not 0 < len(self.mean) <= _MOST_CHANNELS:
            raise ValueError(
                f"mean and std must be one number for each of at most {_MOST_CHANNELS} channels, got {len(self.mean)} "
                f"and {len(self.std)}"
            )
        if self.scale > _LARGEST_SCALE:
            raise ValueError(f"scale must be at most {_LARGEST_SCALE}, got {self.scale}")
        if self.base_size and not (
            len(self.base_size) == 2 and all(is_whole(s, 1, _LARGEST_SIDE) for s in self.base_size)
        ):
            raise ValueError(f"base_size must be two whole numbers of 1 to {_LARGEST_SIDE}, got {list(self.base_size)}")

    @property
    def channels(self) -> int:
        """Return the number of channels of an image."""
        return len(self.mean)

    @property
    def bands(self) -> Bands:
        """Return what the pixels of an image must be."""
        return Bands(self.channels, self.white)

    def __call__(self, image: ImageArray) -> Tensor:
        """Turn an image ``(H, W, C)`` into the network's input ``(C, H', W')``."""
        return self.resize(image, self.factor(image))

    def factor(self, image: ImageArray) -> float:
        """Return the size at which the network sees an image ``(H, W, C)``, relative to the image's own size."""
        return self.scale * base_factor(image.shape[:2], self.base_size)

    def resize(self, image: ImageArray, factor: float) -> Tensor:
        """Return the network's input ``(C, H', W')`` for an image, or for a part of one, at another size."""
        return self.normalize(self.pixels(image, factor))

    def pixels(self, image: ImageArray, factor: float) -> Tensor:
        """Return the values ``(C, H', W')`` of an image at another size, in its own type."""
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        return to_tensor(resize_image(image, (height, width)))

    def normalize(self, pixels: Tensor) -> Tensor:
        """Turn values ``(..., C, H, W)`` of a file into float32 of mean 0 and deviation 1, on the same device."""
        mean, std = (self.white * torch.tensor(c, device=pixels.device)[:, None, None] for c in (self.mean, self.std))
        return (pixels - mean) / std

    def denormalize(self, values: Tensor) -> Tensor:
        """Turn normalised values ``(..., C, H, W)`` back into those of a file: the nearest bytes, or float32."""
        mean, std = (torch.tensor(numbers).view(-1, 1, 1).to(values) for numbers in (self.mean, self.std))
        original = (values * std + mean) * self.white
        return original.round().clamp(0, 255).to(torch.uint8) if self.white == BYTE else original.float()

    def to_dict(self) -> dict[str, Any]:
        """Return primitives for a checkpoint."""
        base_size = None if self.base_size is None else list(self.base_size)
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std), "base_size": base_size}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        """Make the preprocessing from the result of `to_dict`."""
        base_size = values["base_size"] and tuple(values["base_size"])
        return cls(tuple(values["mean"]), tuple(values["std"]), values["scale"], base_size, values["white"])


def to_tensor(image: ImageArray) -> Tensor:
    """Turn an image ``(H, W, C)`` into a contiguous tensor ``(C, H, W)``."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
