"""Plain torch datasets that give uint8 images and train ids, and the pixels' way from a file to the network."""

from segrnn.datasets.camvid import CamVid
from segrnn.datasets.cityscapes import Cityscapes
from segrnn.datasets.demo import Demo
from segrnn.datasets.files import Sample, SegmentationFiles, read_image, read_label
from segrnn.datasets.stream import Augmented, EndlessSampler, sample_loader
from segrnn.datasets.transforms import Augmentation, Preprocessing

__all__ = [
    "Augmentation",
    "Augmented",
    "CamVid",
    "Cityscapes",
    "Demo",
    "EndlessSampler",
    "Preprocessing",
    "Sample",
    "SegmentationFiles",
    "read_image",
    "read_label",
    "sample_loader",
]
