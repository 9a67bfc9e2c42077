"""A differentiable form of the intersection over union."""

import torch
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.ops.precision import single


class Lovasz(nn.Module):
    """The Lovasz extension of 1 minus the IoU, for softmax probabilities, as a mean over the classes in the target.

    The loss is that of Berman, Triki and Blaschko 2018, "The Lovasz-softmax loss", arXiv 1705.08790, equations 8 to 12.
    For each class, the pixels are sorted by their error. The weight of a pixel is the IoU that is lost if this pixel is
    wrong in addition to those before it. All valid pixels of the whole batch take part. So the mean over parts of a
    batch is not the loss of the whole batch.

    segmentation_models_pytorch's ``LovaszLoss``, like the authors' code, computes these weights as differences of
    neighbouring IoUs. In single precision, little but noise is left of them for a big crop: with four million pixels,
    half of the weights are wrong by more than a tenth, and a fifth of them are 0. Here, every weight is one quotient.
    That loss also does not give a scalar for a batch that is all void, and fails in half precision and for one class.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 3)
        >>> Lovasz()(logits, torch.tensor([[[0, 1, 255]]])).item()
        0.5
        >>> Lovasz()(logits, torch.full((1, 1, 3), 255)).item()
        0.0
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        probabilities = single(logits).softmax(dim=1)
        valid = target != IGNORE_INDEX
        labels = target[valid]
        classes = labels.unique().tolist()
        losses = [_loss_of_class(probabilities[:, c][valid], labels == c) for c in classes]
        return torch.stack(losses).mean() if losses else 0 * probabilities.sum()


def _loss_of_class(probability: Tensor, is_class: Tensor) -> Tensor:
    """Compute the loss of one class from all valid pixels ``(N,)``."""
    errors, order = (is_class.to(probability.dtype) - probability).abs().sort(descending=True)
    is_class = is_class[order]
    found = is_class.cumsum(0)
    shared = (found[-1] - found).to(errors.dtype)  # the intersection once these pixels are wrong
    union = (found[-1] + torch.arange(1, len(found) + 1, device=found.device) - found).to(errors.dtype)
    # a pixel of the class takes 1 from the intersection; a pixel of another class adds 1 to the union
    weights = torch.where(is_class, 1 / union, shared / union / (union - 1).clamp(min=1))
    return (errors * weights).sum()
