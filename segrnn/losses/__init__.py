"""Losses: modules ``(logits, target) -> scalar``. Void pixels never count."""

from segrnn.losses.cross_entropy import CrossEntropy
from segrnn.losses.dice import Dice
from segrnn.losses.focal import Focal
from segrnn.losses.lovasz import Lovasz
from segrnn.losses.ohem import OHEM
from segrnn.losses.weighted_sum import WeightedSum

__all__ = ["OHEM", "CrossEntropy", "Dice", "Focal", "Lovasz", "WeightedSum"]
