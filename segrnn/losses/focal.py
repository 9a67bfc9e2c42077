"""Cross-entropy that makes little of easy pixels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.errors import ConfigError
from segrnn.labels import IGNORE_INDEX
from segrnn.losses.weights import fit_weights, weights_to_tensor
from segrnn.ops.precision import single


class Focal(nn.Module):
    """``-(1 - p) ** gamma * log(p)`` of each valid pixel's true class, over the count of valid pixels.

    Lin et al. 2017, "Focal loss for dense object detection", arXiv 1708.02002, equations 4 and 5, with the softmax's
    probabilities: a pixel has one class. segmentation_models_pytorch's ``FocalLoss`` takes a sigmoid for each class
    instead (its gradient points elsewhere, and probabilities are then no softmax's, which prediction and calibration
    take them for), divides by the number of classes, and gives NaN for a batch that is all void.

    Args:
        gamma: how little easy pixels count, at least 0; 0 is cross-entropy.
        class_weights: factor of each class's pixels, ``(K,)``: the paper's alpha. All count the same by default.

    Raises:
        ConfigError: gamma is below 0, or there are not as many weights as classes.

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
        """The loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        logits = single(logits)
        weights = fit_weights(self.class_weights, logits)
        valid = target != IGNORE_INDEX
        losses = F.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")
        # a root has no finite slope at 0, where pixels are that are certain, and void ones
        doubt = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).tiny)
        losses = doubt**self.gamma * losses
        if weights is not None:
            losses = losses * weights[target.where(valid, 0)]
        return losses.sum() / valid.sum().clamp(min=1)
