"""The random changes of images and labels for training."""

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from segrnn.datasets.color_jitter import ColorJitter
from segrnn.datasets.crops import draw_window
from segrnn.datasets.transforms import Transform, apply_transforms
from segrnn.images.bands import ImageArray
from segrnn.images.preprocessing import base_factor, to_tensor
from segrnn.images.resizing import resize_image, resize_mask
from segrnn.labels import IGNORE_INDEX
from segrnn.labels.space import ByteArray


class Augmentation:
    """Draws a random scale, crop, flip and change of colour for training, and then the user's own transforms.

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
        transforms: further changes of the crop, in their order. Their names are for error messages.

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
        transforms: Mapping[str, Transform] | None = None,
    ) -> None:
        low, high = scale
        if not 0 < low <= high:
            raise ValueError(f"scale must be two factors above 0, the smaller one first, got {list(scale)}")
        if base_size and not 0 < base_size[0] <= base_size[1]:
            raise ValueError(f"base_size must be two sides above 0, the shorter one first, got {list(base_size)}")
        self.crop, self.scale, self.max_class_share, self.seed = crop, scale, max_class_share, seed
        self.flip, self.base_size = flip, base_size
        self.jitter = ColorJitter(color) if color else None
        self.transforms = dict(transforms or {})
        # averaging over areas is slow, and useful only if linear interpolation would skip pixels
        self.area = bool(base_size) or low < 0.5

    def __call__(self, image: ImageArray, mask: ByteArray, counter: int) -> tuple[Tensor, Tensor]:
        """Draw the crop of a sample: image ``(C, h, w)``, of the type of its file, and train ids ``(h, w)``, uint8."""
        rng, py_random = np.random.default_rng([self.seed, counter]), random.Random(self.seed * 10**9 + counter)
        base = base_factor(image.shape[:2], self.base_size)
        scale = [base * factor for factor in self.scale]
        window = draw_window(mask, self.crop, scale, self.max_class_share, rng)
        image = resize_image(window.cut(image, 0), self.crop, self.area)
        mask = resize_mask(window.cut(mask, IGNORE_INDEX), self.crop)
        py_random.random()  # not used: a pipeline of albumentations draws one first, and samples must stay as they were
        if self.flip >= 1 or (self.flip > 0 and py_random.random() < self.flip):
            image, mask = image[:, ::-1], mask[:, ::-1]
        if self.jitter is not None:
            image = self.jitter(np.ascontiguousarray(image), rng, py_random)
        image, mask = apply_transforms(self.transforms, image, mask, rng, py_random)
        return to_tensor(image), torch.from_numpy(mask.copy())
