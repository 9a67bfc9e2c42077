"""The label table of the demo scenes: the Cityscapes ids that the scenes show, with train ids of their own."""

from segrnn.labels.cityscapes_classes import CITYSCAPES

DEMO = CITYSCAPES.subset(
    "demo",
    ["road", "sidewalk", "building", "wall", "pole", "vegetation", "sky", "person", "car", "bus"],
)
