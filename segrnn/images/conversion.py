"""The forms in which images can be given."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from segrnn.errors import DataError
from segrnn.images.reading import read_photo, to_rgb
from segrnn.labels.space import ByteArray

Picture: TypeAlias = str | Path | Image.Image | ByteArray | Tensor
"""A path, a PIL image, an array ``(H, W, 3)`` or ``(H, W)`` of bytes, or a tensor ``(3, H, W)`` of bytes."""


def as_array(picture: Picture) -> ByteArray:
    """Return the pixels ``(H, W, 3)`` of an image. Grey becomes RGB and alpha is dropped, as for image files.

    A file is turned as its EXIF tag says. A PIL image is taken as it is.

    Raises:
        DataError: the file can't be read, or the array is not an image.

    Example:
        >>> as_array(np.zeros((4, 6), np.uint8)).shape
        (4, 6, 3)
    """
    if isinstance(picture, str | Path):
        return read_photo(Path(picture))[0]
    if isinstance(picture, Image.Image):
        return to_rgb(picture, "the image")
    if isinstance(picture, Tensor):
        picture = picture.cpu().movedim(0, -1).numpy() if picture.ndim == 3 else picture.cpu().numpy()
    array = np.asarray(picture)
    if array.dtype != np.uint8 or not array.size or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)):
        raise DataError(f"an image must be an array (H, W, 3) or (H, W) of uint8, got {array.shape} of {array.dtype}")
    return array[..., :3] if array.ndim == 3 else np.repeat(array[..., None], 3, axis=-1)
