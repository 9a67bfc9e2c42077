"""Cross-entropy that gives easy pixels little weight."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.errors import ConfigError
from segrnn.labels import IGNORE_INDEX
from segrnn.losses.class_weights import fit_weights, weights_to_tensor
from segrnn.ops.precision import single


class Focal(nn.Module):
    """The mean of ``-(1 - p) ** gamma * log(p)`` over the valid pixels, for the probability p of the true class.

    The loss is that of Lin et al. 2017, "Focal loss for dense object detection", arXiv 1708.02002, equations 4 and 5,
    with the softmax's probabilities, because a pixel has one class. segmentation_models_pytorch's ``FocalLoss`` takes a
    sigmoid for each class instead. Its gradient then has another direction, and its probabilities are not those of a
    softmax, which prediction and calibration assume. It also divides by the number of classes, and gives NaN for a
    batch that is all void.

    Args:
        gamma: the strength with which easy pixels lose weight, at least 0. 0 gives cross-entropy.
        class_weights: a factor for the pixels of each class, ``(K,)``, the paper's alpha. By default, all classes count
            the same.

    Raises:
        ConfigError: gamma is below 0, or the number of weights is not the number of classes.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> round(Focal(gamma=2)(logits, torch.tensor([[[0, 255]]])).item(), 4)  # a quarter of ln 2
        0.1733
    """

    class_weights: Tensor | None

    def __init__(self, gamma: float = 2.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if gamma < 0:
            raise ConfigError(f"loss.gamma={gamma} must be at least 0")
        self.gamma = gamma
        self.register_buffer("class_weights", weights_to_tensor(class_weights), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        logits = single(logits)
        weights = fit_weights(self.class_weights, logits)
        valid = target != IGNORE_INDEX
        losses = F.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")
        # clamped, because certain and void pixels have a doubt of 0, where a root (gamma below 1) has no finite slope
        doubt = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).tiny)
        losses = doubt**self.gamma * losses
        if weights is not None:
            losses = losses * weights[target.where(valid, 0)]
        return losses.sum() / valid.sum().clamp(min=1)
