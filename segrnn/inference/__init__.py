"""From an image to a mask, and from a mask to a file."""

from segrnn.inference.masks import FORMATS, write_atomically
from segrnn.inference.whole import predict_mask

__all__ = ["FORMATS", "predict_mask", "write_atomically"]
