"""From an image to a mask, and from a mask to a file."""

from segrnn.inference.device import choose_device
from segrnn.inference.folder import Job, find_images, plan
from segrnn.inference.masks import FORMATS, write_atomically, write_png
from segrnn.inference.submission import rules_for, write_submission
from segrnn.inference.whole import predict_mask, predict_with_confidence

__all__ = [
    "FORMATS",
    "Job",
    "choose_device",
    "find_images",
    "plan",
    "predict_mask",
    "predict_with_confidence",
    "rules_for",
    "write_atomically",
    "write_png",
    "write_submission",
]
