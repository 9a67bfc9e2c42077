"""The random changes of images and labels for training."""

import os
import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from segrnn.datasets.crops import draw_window
from segrnn.images.bands import ImageArray
from segrnn.images.preprocessing import base_factor, to_tensor
from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # otherwise its import looks for newer versions on the internet
import albumentations as A


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

    def __call__(self, image: ImageArray, mask: ByteArray, counter: int) -> tuple[Tensor, Tensor]:
        """Draw the crop of a sample: image ``(3, h, w)`` and train ids ``(h, w)``, both uint8."""
        rng = np.random.default_rng([self.seed, counter])
        base = base_factor(image, self.base_size)
        scale = [base * factor for factor in self.scale]
        window = draw_window(mask, self.crop, scale, self.max_class_share, rng)
        # one generator for the whole pipeline: with a seed, every step would start with the same random numbers
        self.pipeline.set_random_state(rng, random.Random(self.seed * 10**9 + counter))
        out = self.pipeline(image=window.cut(image, 0), mask=window.cut(mask, IGNORE_INDEX))
        return to_tensor(out["image"]), torch.from_numpy(out["mask"].copy())
