"""Class weights, in the form that the losses take."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segrnn.errors import ConfigError


def weights_to_tensor(class_weights: Sequence[float] | None) -> Tensor | None:
    """Turn class weights from a configuration into a tensor ``(K,)``. None stays None."""
    return None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)


def fit_weights(weights: Tensor | None, logits: Tensor) -> Tensor | None:
    """Return class weights in the precision of logits ``(B, K, H, W)``.

    Raises:
        ConfigError: the number of weights is not K.

    Example:
        >>> fit_weights(torch.ones(2), torch.zeros(1, 2, 4, 4, dtype=torch.float64)).dtype
        torch.float64
    """
    if weights is None:
        return None
    if weights.shape != (logits.shape[1],):
        raise ConfigError(f"loss.class_weights has {len(weights)} weights, but there are {logits.shape[1]} classes")
    return weights.to(logits.dtype)
