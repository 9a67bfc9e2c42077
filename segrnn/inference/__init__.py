"""Inference with trained networks: loading and saving them, predicting masks, and writing the masks to files."""

from segrnn.inference.averaging import load_average
from segrnn.inference.checkpoint import KEY, digest_weights, load_checkpoint, read_checkpoint, to_checkpoint
from segrnn.inference.device import choose_device
from segrnn.inference.ensemble import Ensemble, Member, load_ensemble
from segrnn.inference.geo_masks import MAPS
from segrnn.inference.given_masks import GivenMasks
from segrnn.inference.info import ModelInfo
from segrnn.inference.jobs import Job, find_images, plan, plan_frames, take_up
from segrnn.inference.masks import FORMATS, PICTURES, Format, write_png
from segrnn.inference.notices import Notices
from segrnn.inference.polygon_files import polygon_formats
from segrnn.inference.predictor import MOST_WHOLE, SINGLE, Network, Predictor
from segrnn.inference.prepared import Fusions, find_fusions, prepare
from segrnn.inference.sources import locate
from segrnn.inference.submission import rules_for, write_submission
from segrnn.inference.trained import load_trained
from segrnn.inference.video import VIDEO_SUFFIXES, Video, is_file, is_video, write_video
from segrnn.inference.windows import Windows

__all__ = [
    "FORMATS",
    "KEY",
    "MAPS",
    "MOST_WHOLE",
    "PICTURES",
    "SINGLE",
    "VIDEO_SUFFIXES",
    "Ensemble",
    "Format",
    "Fusions",
    "GivenMasks",
    "Job",
    "Member",
    "ModelInfo",
    "Network",
    "Notices",
    "Predictor",
    "Video",
    "Windows",
    "choose_device",
    "digest_weights",
    "find_fusions",
    "find_images",
    "is_file",
    "is_video",
    "load_average",
    "load_checkpoint",
    "load_ensemble",
    "load_trained",
    "locate",
    "plan",
    "plan_frames",
    "polygon_formats",
    "prepare",
    "read_checkpoint",
    "rules_for",
    "take_up",
    "to_checkpoint",
    "write_png",
    "write_submission",
    "write_video",
]
