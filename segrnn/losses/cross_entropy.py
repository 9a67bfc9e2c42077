"""Cross-entropy over the valid pixels."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.losses.class_weights import fit_weights, weights_to_tensor
from segrnn.ops.precision import single


class CrossEntropy(nn.Module):
    """The sum of the cross-entropy of all valid pixels, divided by their number.

    If all pixels are void, the loss is 0 with zero gradients, not NaN. The divisor is the number of pixels even if
    classes have weights, as in SegNet's Caffe and mmsegmentation's ``avg_non_ignore``. torch divides by the sum of the
    weights instead. So the mean over parts of a batch (micro-batches or processes), weighted by their valid pixels, is
    exactly the loss of the whole batch. And a crop that only holds a class with a small weight has a small loss.

    Args:
        label_smoothing: the share of the target that is spread over all classes, 0 to 1.
        class_weights: a factor for the pixels of each class, ``(K,)``. By default, all classes count the same.

    Raises:
        ConfigError: the number of weights is not the number of classes.

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
        """Compute the loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
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
