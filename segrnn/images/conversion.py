"""The forms in which images can be given."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from segrnn.errors import DataError
from segrnn.images.bands import RGB, Bands, ImageArray, read_upright
from segrnn.images.reading import to_rgb

Picture: TypeAlias = str | Path | Image.Image | npt.NDArray[np.generic] | Tensor
"""A path, a PIL image, an array ``(H, W, C)`` or ``(H, W)``, or a tensor ``(C, H, W)``.

Its values are bytes, or of another type if the network was trained with another depth."""


def as_array(picture: Picture, bands: Bands = RGB) -> ImageArray:
    """Return the pixels ``(H, W, C)`` of an image. For RGB, grey becomes RGB and alpha is dropped, as for image files.

    Args:
        picture: the image.
        bands: the channels and the depth that the image must have.

    A file is turned as its EXIF tag says. A PIL image is taken as it is.

    Raises:
        DataError: the file can't be read, or the array is not such an image.

    Example:
        >>> as_array(np.zeros((4, 6), np.uint8)).shape
        (4, 6, 3)
    """
    if isinstance(picture, str | Path):
        return read_upright(Path(picture), bands)[0]
    if isinstance(picture, Image.Image) and bands.are_rgb:
        return to_rgb(picture, "the image")
    if isinstance(picture, Tensor):
        picture = picture.cpu().movedim(0, -1).numpy() if picture.ndim == 3 else picture.cpu().numpy()
    array = np.asarray(picture)
    if not bands.are_rgb:
        return bands.require(array, "the image")
    if array.dtype != np.uint8 or not array.size or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)):
        raise DataError(f"an image must be an array (H, W, 3) or (H, W) of uint8, got {array.shape} of {array.dtype}")
    return array[..., :3] if array.ndim == 3 else np.repeat(array[..., None], 3, axis=-1)
