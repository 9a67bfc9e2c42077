"""Cross-entropy over the pixels that count."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.errors import ConfigError
from segrnn.labels import IGNORE_INDEX


class CrossEntropy(nn.Module):
    """Mean cross-entropy over valid pixels; a crop that is all void gives 0 with zero gradients, not NaN.

    So does one of which only classes of weight 0 are left.

    Args:
        label_smoothing: share of the target spread over all classes, 0 to 1.
        class_weights: weight of each class's pixels, ``(K,)``; the mean is then a weighted one. All count the same by
            default.

    Raises:
        ConfigError: there are not as many weights as classes.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> round(CrossEntropy()(logits, torch.tensor([[[0, 255]]])).item(), 4)  # ln 2, over the one valid pixel
        0.6931
        >>> CrossEntropy()(logits, torch.full((1, 1, 2), 255)).item()
        0.0
    """

    class_weights: Tensor | None

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        weights = self.class_weights
        if weights is not None and weights.shape != (logits.shape[1],):
            raise ConfigError(f"loss.class_weights has {len(weights)} weights for {logits.shape[1]} classes")
        total = F.cross_entropy(
            logits,
            target,
            weights,
            ignore_index=IGNORE_INDEX,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        valid = target != IGNORE_INDEX
        total_weight = valid.sum() if weights is None else (weights[target.where(valid, 0)] * valid).sum()
        return total / total_weight.where(total_weight > 0, torch.inf)  # smoothed targets weigh something even here
