"""From an image to a mask, and from a mask to a file."""

from segrnn.inference.device import choose_device
from segrnn.inference.folder import Job, plan
from segrnn.inference.masks import FORMATS, write_atomically, write_png
from segrnn.inference.whole import predict_mask

__all__ = ["FORMATS", "Job", "choose_device", "plan", "predict_mask", "write_atomically", "write_png"]
