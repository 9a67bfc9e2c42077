"""One label table for each dataset. Every look-up (ids, train ids, names, colours) is derived from it."""

from segrnn.labels.ade20k_classes import ADE20K
from segrnn.labels.camvid_classes import CAMVID, CAMVID_COLORS
from segrnn.labels.cityscapes_classes import CITYSCAPES
from segrnn.labels.colors import ColorCode, hex_color
from segrnn.labels.demo_classes import DEMO
from segrnn.labels.demo_pages_classes import DEMO_PAGES
from segrnn.labels.space import IGNORE_INDEX, ForeignIdError, Label, LabelSpace

__all__ = [
    "ADE20K",
    "CAMVID",
    "CAMVID_COLORS",
    "CITYSCAPES",
    "DEMO",
    "DEMO_PAGES",
    "IGNORE_INDEX",
    "ColorCode",
    "ForeignIdError",
    "Label",
    "LabelSpace",
    "hex_color",
]
