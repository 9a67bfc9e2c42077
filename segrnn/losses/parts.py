"""A loss and its parts, as curves show them."""

import torch
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.losses.weighted_sum import WeightedSum


def loss_names(loss: nn.Module) -> list[str]:
    """Return the names of a loss and of the parts that it sums.

    Example:
        >>> from segrnn.losses import CrossEntropy, Dice
        >>> loss_names(WeightedSum({"cross_entropy": CrossEntropy(), "dice": Dice()}, {"cross_entropy": 1, "dice": 3}))
        ['loss', 'loss/cross_entropy', 'loss/dice']
    """
    return ["loss", *(f"loss/{name}" for name in loss.losses)] if isinstance(loss, WeightedSum) else ["loss"]


def compute_losses(loss: nn.Module, logits: Tensor, target: Tensor) -> list[Tensor]:
    """Compute a loss and the parts that it sums, each times its weight, in the order of `loss_names`.

    Args:
        loss: the loss.
        logits: ``(B, K, H, W)``.
        target: the train ids ``(B, H, W)``.
    """
    if not isinstance(loss, WeightedSum):
        return [loss(logits, target)]
    parts = loss.parts(logits, target)
    return [torch.stack(parts).sum(), *parts]


class LossMeans:
    """The means of a loss and of its parts over images. Each image counts as much as it has valid pixels.

    Args:
        loss: the loss.

    Example:
        >>> from segrnn.losses import CrossEntropy
        >>> means = LossMeans(CrossEntropy())
        >>> target = torch.tensor([[[0, 255]]])
        >>> means.update(torch.zeros(1, 2, 1, 2), target)
        >>> [round(value, 4) for value in means.compute(means.sums).values()]
        [0.6931]
    """

    def __init__(self, loss: nn.Module) -> None:
        self.loss, self.names = loss, loss_names(loss)
        self.sums = torch.zeros(1 + len(self.names), dtype=torch.float64)
        """The valid pixels, and the sum of each loss over them. Those of several processes add up."""

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add an image's logits ``(1, K, H, W)`` and train ids ``(1, H, W)``."""
        pixels = (target != IGNORE_INDEX).sum()
        values = torch.stack(compute_losses(self.loss, logits, target)).double()
        self.sums += torch.cat([pixels[None].double(), values * pixels]).cpu()

    def compute(self, sums: Tensor) -> dict[str, float]:
        """Return the mean of each loss, from the sums of all processes; nothing if there are no valid pixels."""
        pixels, *totals = sums.tolist()
        return {name: total / pixels for name, total in zip(self.names, totals, strict=True)} if pixels else {}
