"""What happens to pixels between the file and the network. The only place that knows albumentations."""

import os
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or importing it asks the network for newer versions
import albumentations as A


@dataclass(frozen=True)
class Preprocessing:
    """What every image goes through, in training, evaluation and prediction alike.

    Args:
        mean: per channel, for values in 0..1.
        std: per channel, for values in 0..1.
        scale: the size at which the network sees an image, relative to the file's.

    Example:
        >>> Preprocessing((0.5,) * 3, (0.5,) * 3, scale=0.5)(np.zeros((6, 8, 3), np.uint8)).shape
        torch.Size([3, 3, 4])
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1.0

    def __call__(self, image: ByteArray) -> Tensor:
        """Turn an image ``(H, W, 3)`` of bytes into the network's input ``(3, H', W')``."""
        height, width = (max(1, round(side * self.scale)) for side in image.shape[:2])
        steps = [A.Resize(height, width, area_for_downscale="image"), A.Normalize(self.mean, self.std)]
        return to_tensor(A.Compose(steps)(image=image)["image"])

    def to_dict(self) -> dict[str, Any]:
        """Primitives, for a checkpoint."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        return cls(tuple(values["mean"]), tuple(values["std"]), values["scale"])


class Augmentation:
    """Random scale, crop, flip and colour for training, then normalisation.

    What is drawn is a pure function of the seed and the sample's counter, so that it does not depend on the number of
    loading processes. Pixels that a crop lacks are void.

    Args:
        crop: height and width of the result.
        scale: least and greatest factor from the file's size.
        flip: probability of a horizontal flip.
        color: strength of brightness, contrast and saturation changes, 0 to 1; hue changes by a tenth of it.
        seed: of the whole run.
        preprocessing: whose normalisation is applied.
    """

    def __init__(
        self,
        crop: Sequence[int],
        scale: Sequence[float],
        flip: float,
        color: float,
        seed: int,
        preprocessing: Preprocessing,
    ) -> None:
        height, width = crop
        low, high = scale
        if not 0 < low <= high:
            raise ValueError(f"scale must be two factors above 0, the lesser first, got {list(scale)}")
        self.seed = seed
        steps: list[A.BasicTransform] = []
        if (low, high) != (1, 1):
            steps.append(A.RandomScale((low - 1, high - 1), area_for_downscale="image", p=1))
        steps += [
            A.PadIfNeeded(height, width, position="random", fill=0, fill_mask=IGNORE_INDEX),
            A.RandomCrop(height, width),
            A.HorizontalFlip(p=flip),
        ]
        if color:
            steps.append(A.ColorJitter(color, color, color, color / 10, p=1))
        steps.append(A.Normalize(preprocessing.mean, preprocessing.std))
        self.pipeline = A.Compose(steps)

    def __call__(self, image: ByteArray, mask: ByteArray, counter: int) -> tuple[Tensor, Tensor]:
        """Draw the crop of a sample: image ``(3, h, w)`` and train ids ``(h, w)`` in int64."""
        # one generator for the whole pipeline: a seed would start every step with the same stream
        self.pipeline.set_random_state(
            np.random.default_rng([self.seed, counter]), random.Random(self.seed * 10**9 + counter)
        )
        out = self.pipeline(image=image, mask=mask)
        return to_tensor(out["image"]), torch.from_numpy(out["mask"].astype(np.int64))


def to_tensor(image: np.ndarray[Any, Any]) -> Tensor:
    """``(H, W, C)`` to ``(C, H, W)``, contiguous."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
