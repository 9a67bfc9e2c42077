"""One table per dataset; every look-up (ids, train ids, names, colours) is derived from it."""

from segrnn.labels.camvid import CAMVID
from segrnn.labels.cityscapes import CITYSCAPES
from segrnn.labels.demo import DEMO
from segrnn.labels.space import IGNORE_INDEX, ForeignIdError, Label, LabelSpace

__all__ = ["CAMVID", "CITYSCAPES", "DEMO", "IGNORE_INDEX", "ForeignIdError", "Label", "LabelSpace"]
