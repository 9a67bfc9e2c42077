"""The overlap of probabilities and classes."""

import torch
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.ops.precision import single


class Dice(nn.Module):
    """1 less the soft Dice score ``2 sum(p y) / (sum(p) + sum(y))``, the mean over the classes in the batch's target.

    Milletari, Navab and Ahmadi 2016, "V-Net", arXiv 1606.04797, section 3, with plain sums for squares, as in Sudre et
    al. 2017, arXiv 1707.03237, equation of DL2, without its constants. Sums run over the valid pixels of the whole
    batch, so that the mean over parts of a batch is not the whole batch's.

    segmentation_models_pytorch's ``DiceLoss`` divides by the number of all classes instead, those counted as 0 that the
    batch has no pixel of: with 10 of 150 in a batch, the loss and its gradient are a 15th. It also takes the overlap as
    a difference of large sums, which in single precision can give rare classes a score below 0.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> Dice()(logits, torch.tensor([[[0, 255]]])).item()  # 1 - 2 * 0.5 / (0.5 + 1), rounded
        0.3333333134651184
        >>> Dice()(logits, torch.full((1, 1, 2), 255)).item()
        0.0
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        probabilities = single(logits).softmax(dim=1)
        everywhere = (0, 2, 3)
        classes = torch.arange(logits.shape[1], device=target.device)[:, None, None]
        is_class, valid = target[:, None] == classes, target[:, None] != IGNORE_INDEX
        overlap = probabilities.where(is_class, 0).sum(everywhere)
        expected = probabilities.where(valid, 0).sum(everywhere)
        pixels = is_class.sum(everywhere)
        present = pixels > 0
        losses = 1 - 2 * overlap / (expected + pixels).where(present, 1)
        return losses.where(present, 0).sum() / present.sum().clamp(min=1)
