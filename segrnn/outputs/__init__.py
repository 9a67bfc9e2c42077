"""Where files are written to: folders of this machine and of object stores, and zip archives in them."""

from segrnn.outputs.archives import Archives
from segrnn.outputs.places import LocalFolder, Output, StoreFolder, file_at, output_at

__all__ = ["Archives", "LocalFolder", "Output", "StoreFolder", "file_at", "output_at"]
