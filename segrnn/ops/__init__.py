"""Recurrences and the layout changes around them, as pure functions on tensors."""

from segrnn.ops.sequences import from_sequences, to_sequences

__all__ = ["from_sequences", "to_sequences"]
