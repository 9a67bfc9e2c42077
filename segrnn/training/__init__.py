"""The only place that knows Lightning."""

from segrnn.training.datamodule import DataModule
from segrnn.training.loop import fit
from segrnn.training.module import SegmentationModule
from segrnn.training.optimizers import grouped_optimizer, one_cycle, poly

__all__ = ["DataModule", "SegmentationModule", "fit", "grouped_optimizer", "one_cycle", "poly"]
