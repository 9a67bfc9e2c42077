"""Losses: modules ``(logits, target) -> scalar``, normalised by the count of valid pixels."""

from segrnn.losses.cross_entropy import CrossEntropy

__all__ = ["CrossEntropy"]
