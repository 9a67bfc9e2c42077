"""The overlap of probabilities and classes."""

import torch
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.ops.precision import single


class Dice(nn.Module):
    """1 minus the soft Dice score ``2 sum(p y) / (sum(p) + sum(y))``, as a mean over the classes in the batch's target.

    The loss is that of Milletari, Navab and Ahmadi 2016, "V-Net", arXiv 1606.04797, section 3, with plain sums instead
    of squares. Sudre et al. 2017, arXiv 1707.03237, have the same sums in the equation of DL2, with constants that are
    left out here. The sums are over the valid pixels of the whole batch. So the mean over parts of a batch is not the
    loss of the whole batch.

    segmentation_models_pytorch's ``DiceLoss`` divides by the number of all classes, and a class without pixels in the
    batch counts as 0. With 10 of 150 classes in a batch, that loss and its gradient are only a 15th. It also computes
    the overlap as a difference of large sums. In single precision, this can give rare classes a score below 0.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> Dice()(logits, torch.tensor([[[0, 255]]])).item()  # 1 - 2 * 0.5 / (0.5 + 1), rounded
        0.3333333134651184
        >>> Dice()(logits, torch.full((1, 1, 2), 255)).item()
        0.0
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
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
