"""Plain torch datasets that give uint8 images and train ids, and their random changes for training."""

from segrnn.datasets.ade20k import ADE20K
from segrnn.datasets.augmentation import Augmentation
from segrnn.datasets.camvid import CamVid, CamVidOriginal
from segrnn.datasets.cityscapes import Cityscapes
from segrnn.datasets.demo_pages import DemoPages
from segrnn.datasets.demo_streets import Demo
from segrnn.datasets.digest import digest
from segrnn.datasets.files import Sample, SegmentationDataset
from segrnn.datasets.folder import Folder
from segrnn.datasets.stream import Augmented, EndlessSampler, sample_loader

__all__ = [
    "ADE20K",
    "Augmentation",
    "Augmented",
    "CamVid",
    "CamVidOriginal",
    "Cityscapes",
    "Demo",
    "DemoPages",
    "EndlessSampler",
    "Folder",
    "Sample",
    "SegmentationDataset",
    "digest",
    "sample_loader",
]
