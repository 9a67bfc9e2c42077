"""The pixels of images and labels: where they are stored, how they are read, and what the network gets of them."""

from segrnn.images.conversion import Picture, as_array
from segrnn.images.preprocessing import Preprocessing
from segrnn.images.reading import read_image, read_label, read_photo, to_rgb
from segrnn.images.storage import File, Tree

__all__ = [
    "File",
    "Picture",
    "Preprocessing",
    "Tree",
    "as_array",
    "read_image",
    "read_label",
    "read_photo",
    "to_rgb",
]
