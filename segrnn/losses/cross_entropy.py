"""Cross-entropy over the pixels that count."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.losses.weights import fit_weights, weights_to_tensor
from segrnn.ops.precision import single


class CrossEntropy(nn.Module):
    """The cross-entropy of all valid pixels over their count; all void gives 0 with zero gradients, not NaN.

    The count is one of pixels also where classes have weights, as in SegNet's Caffe and mmsegmentation's
    ``avg_non_ignore``; torch divides by the sum of the weights instead. So the mean over parts of a batch
    (micro-batches or processes), weighted by their valid pixels, is exactly the whole batch's, and a crop of nothing
    but a class of a small weight has a small loss.

    Args:
        label_smoothing: share of the target spread over all classes, 0 to 1.
        class_weights: factor of each class's pixels, ``(K,)``. All count the same by default.

    Raises:
        ConfigError: there are not as many weights as classes.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> round(CrossEntropy()(logits, torch.tensor([[[0, 255]]])).item(), 4)  # ln 2, over the one valid pixel
        0.6931
        >>> round(CrossEntropy(class_weights=[3, 1])(logits, torch.tensor([[[0, 255]]])).item(), 4)
        2.0794
        >>> CrossEntropy()(logits, torch.full((1, 1, 2), 255)).item()
        0.0
    """

    class_weights: Tensor | None

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", weights_to_tensor(class_weights), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        logits = single(logits)
        total = F.cross_entropy(
            logits,
            target,
            fit_weights(self.class_weights, logits),
            ignore_index=IGNORE_INDEX,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total / (target != IGNORE_INDEX).sum().clamp(min=1)
