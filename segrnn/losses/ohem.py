"""Cross-entropy over the hardest pixels."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.errors import ConfigError
from segrnn.labels import IGNORE_INDEX
from segrnn.losses.class_weights import fit_weights, weights_to_tensor
from segrnn.ops.precision import single


class OHEM(nn.Module):
    """Online hard example mining: the mean cross-entropy over the pixels that the network finds hard.

    Shrivastava, Gupta and Girshick 2016, arXiv 1604.03540, introduced it to choose regions of a detector. Here, as in
    the usual recipes for segmentation, a pixel is hard if the probability of its true class is below a threshold. If
    there are too few hard pixels, the hardest of the others join them. The sum is divided by the number of kept pixels,
    not by the number of valid ones. So the mean over parts of a batch is near the loss of the whole batch, but not
    equal to it.

    Args:
        threshold: the probability of the true class below which a pixel is hard, above 0 and at most 1.
        min_kept: the smallest number of pixels that are kept of one call's batch. If fewer are valid, all are kept.
        class_weights: a factor for the pixels of each class, ``(K,)``. It does not change which pixels are hard.

    Raises:
        ConfigError: a threshold or a number is out of range, or the number of weights is not the number of classes.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0, 1.0], [0.0, 4.0, 0.0]]).reshape(1, 2, 1, 3)
        >>> target = torch.tensor([[[0, 0, 255]]])  # right, wrong, void
        >>> round(OHEM(min_kept=1)(logits, target).item(), 4)  # of the wrong one alone
        4.0181
        >>> round(OHEM(min_kept=2)(logits, target).item(), 4)  # of both valid ones
        2.0181
    """

    class_weights: Tensor | None

    def __init__(
        self, threshold: float = 0.7, min_kept: int = 100_000, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if not 0 < threshold <= 1:
            raise ConfigError(f"loss.threshold={threshold} must be above 0 and at most 1")
        if min_kept < 0:
            raise ConfigError(f"loss.min_kept={min_kept} must be at least 0")
        self.threshold, self.min_kept = threshold, min_kept
        self.register_buffer("class_weights", weights_to_tensor(class_weights), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        logits = single(logits)
        weights = fit_weights(self.class_weights, logits)
        valid = target != IGNORE_INDEX
        losses = F.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")[valid]
        hard = int((losses > -math.log(self.threshold)).sum())
        kept, chosen = losses.topk(max(hard, min(self.min_kept, len(losses))), sorted=False)
        if weights is not None:
            kept = kept * weights[target[valid][chosen]]
        return kept.sum() / max(len(kept), 1)
