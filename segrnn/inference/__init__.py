"""From an image to a mask, and from a mask to a file."""

from segrnn.inference.device import choose_device
from segrnn.inference.files import write_atomically, write_png
from segrnn.inference.folder import Job, find_images, plan, plan_frames, take_up
from segrnn.inference.images import Picture, as_array
from segrnn.inference.large import LargeImages
from segrnn.inference.masks import FORMATS, PICTURES
from segrnn.inference.predictor import MOST_WHOLE, Network, Predictor
from segrnn.inference.prepared import Fusions, find_fusions, prepare
from segrnn.inference.submission import rules_for, write_submission
from segrnn.inference.video import VIDEO_SUFFIXES, Video, write_video
from segrnn.inference.windows import Windows

__all__ = [
    "FORMATS",
    "MOST_WHOLE",
    "PICTURES",
    "VIDEO_SUFFIXES",
    "Fusions",
    "Job",
    "LargeImages",
    "Network",
    "Picture",
    "Predictor",
    "Video",
    "Windows",
    "as_array",
    "choose_device",
    "find_fusions",
    "find_images",
    "plan",
    "plan_frames",
    "prepare",
    "rules_for",
    "take_up",
    "write_atomically",
    "write_png",
    "write_submission",
    "write_video",
]
