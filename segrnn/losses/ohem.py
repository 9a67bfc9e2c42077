"""Cross-entropy over the hardest pixels."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.errors import ConfigError
from segrnn.labels import IGNORE_INDEX
from segrnn.losses.weights import fit_weights, weights_to_tensor
from segrnn.ops.precision import single


class OHEM(nn.Module):
    """Online hard example mining: the mean cross-entropy over the pixels that the network finds hard.

    Shrivastava, Gupta and Girshick 2016, arXiv 1604.03540, who choose regions of a detector. As in recipes of
    segmentation, pixels are hard whose true class has a probability below a threshold; where they are too few, the
    hardest of the others join them. The sum is divided by the count of the pixels that are kept, not by that of the
    valid ones: the mean over parts of a batch is therefore near the whole batch's, not equal to it.

    Args:
        threshold: probability of the true class below which a pixel is hard, above 0 and at most 1.
        min_kept: pixels to keep at least of one call's batch; of fewer valid ones, all.
        class_weights: factor of each class's pixels, ``(K,)``; which pixels are hard does not depend on it.

    Raises:
        ConfigError: a threshold or a count out of range, or there are not as many weights as classes.

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
        """The loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        logits = single(logits)
        weights = fit_weights(self.class_weights, logits)
        valid = target != IGNORE_INDEX
        losses = F.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")[valid]
        hard = int((losses > -math.log(self.threshold)).sum())
        kept, chosen = losses.topk(max(hard, min(self.min_kept, len(losses))), sorted=False)
        if weights is not None:
            kept = kept * weights[target[valid][chosen]]
        return kept.sum() / max(len(kept), 1)
