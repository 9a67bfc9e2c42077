"""A weighted sum of several losses."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segrnn.errors import ConfigError


class WeightedSum(nn.Module):
    """The sum of several losses, each times its weight.

    Args:
        losses: modules ``(logits, target) -> scalar``, by name.
        weights: the weight of each loss, by the same name, at least 0.

    Raises:
        ConfigError: there are no losses, the weights have other names than the losses, or a weight is below 0.

    Example:
        >>> from segrnn.losses import CrossEntropy, Dice
        >>> loss = WeightedSum({"cross_entropy": CrossEntropy(), "dice": Dice()}, {"cross_entropy": 1, "dice": 3})
        >>> round(loss(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 255]]])).item(), 4)  # ln 2 + 3 / 3
        1.6931
    """

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        if not losses or set(losses) != set(weights):
            raise ConfigError(
                f"there are {len(weights)} loss.weights ({', '.join(weights)}) for {len(losses)} loss.losses "
                f"({', '.join(losses)}): each loss needs a weight of the same name"
            )
        for name, weight in weights.items():
            if weight < 0:
                raise ConfigError(f"loss.weights.{name}={weight} must be at least 0")
        self.losses, self.weights = nn.ModuleDict(losses), dict(weights)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of logits ``(B, K, H, W)`` against train ids ``(B, H, W)``."""
        return torch.stack(self.parts(logits, target)).sum()

    def parts(self, logits: Tensor, target: Tensor) -> list[Tensor]:
        """Compute each loss times its weight."""
        return [self.weights[name] * loss(logits, target) for name, loss in self.losses.items()]
