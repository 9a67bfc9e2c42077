"""Plain torch datasets that give uint8 images and train ids, and the processing of pixels before the network."""

from segrnn.datasets.ade20k import ADE20K
from segrnn.datasets.camvid import CamVid, CamVidOriginal
from segrnn.datasets.cityscapes import Cityscapes
from segrnn.datasets.demo import Demo
from segrnn.datasets.digest import digest
from segrnn.datasets.files import Sample, SegmentationDataset
from segrnn.datasets.folder import Folder
from segrnn.datasets.pictures import read_image, read_label, to_rgb
from segrnn.datasets.storage import File, Tree
from segrnn.datasets.stream import Augmented, EndlessSampler, sample_loader
from segrnn.datasets.transforms import Augmentation, Preprocessing

__all__ = [
    "ADE20K",
    "Augmentation",
    "Augmented",
    "CamVid",
    "CamVidOriginal",
    "Cityscapes",
    "Demo",
    "EndlessSampler",
    "File",
    "Folder",
    "Preprocessing",
    "Sample",
    "SegmentationDataset",
    "Tree",
    "digest",
    "read_image",
    "read_label",
    "sample_loader",
    "to_rgb",
]
