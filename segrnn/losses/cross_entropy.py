"""Cross-entropy over the pixels that count."""

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX


class CrossEntropy(nn.Module):
    """Mean cross-entropy over valid pixels; a crop that is all void gives 0 with zero gradients, not NaN.

    Args:
        label_smoothing: share of the target spread over all classes, 0 to 1.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> round(CrossEntropy()(logits, torch.tensor([[[0, 255]]])).item(), 4)  # ln 2, over the one valid pixel
        0.6931
        >>> CrossEntropy()(logits, torch.full((1, 1, 2), 255)).item()
        0.0
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        total = F.cross_entropy(
            logits, target, ignore_index=IGNORE_INDEX, reduction="sum", label_smoothing=self.label_smoothing
        )
        return total / (target != IGNORE_INDEX).sum().clamp(min=1)
