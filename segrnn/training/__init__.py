"""Training with Lightning. No other package of segrnn uses Lightning."""

from segrnn.training.batch_size import find_batch_size
from segrnn.training.dashboard import Dashboard, RunInfo
from segrnn.training.datamodule import DataModule
from segrnn.training.example_images import Examples
from segrnn.training.interruption import Interruption
from segrnn.training.lean import make_lean
from segrnn.training.loop import fit
from segrnn.training.module import SegmentationModule
from segrnn.training.optimizers import grouped_optimizer
from segrnn.training.schedules import constant, lr_range, one_cycle, poly

__all__ = [
    "Dashboard",
    "DataModule",
    "Examples",
    "Interruption",
    "RunInfo",
    "SegmentationModule",
    "constant",
    "find_batch_size",
    "fit",
    "grouped_optimizer",
    "lr_range",
    "make_lean",
    "one_cycle",
    "poly",
]
