"""Scores from integer counts: they divide once, at the end."""

from segrnn.metrics.confusion import ConfusionMatrix
from segrnn.metrics.scores import Scores

__all__ = ["ConfusionMatrix", "Scores"]
