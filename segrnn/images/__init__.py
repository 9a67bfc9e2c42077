"""The pixels of images and labels: where they are stored, how they are read, and what the network gets of them."""

from segrnn.images.bands import BYTE, RGB, Bands, ImageArray, as_photo, read_bands, read_upright
from segrnn.images.conversion import Picture, as_array
from segrnn.images.label_files import read_label
from segrnn.images.preprocessing import Preprocessing
from segrnn.images.reading import read_image, to_rgb
from segrnn.images.storage import File, Tree

__all__ = [
    "BYTE",
    "RGB",
    "Bands",
    "File",
    "ImageArray",
    "Picture",
    "Preprocessing",
    "Tree",
    "as_array",
    "as_photo",
    "read_bands",
    "read_image",
    "read_label",
    "read_upright",
    "to_rgb",
]
