"""Recurrences over the lines of a map, in which neighbours take part. Slow twins are in `segrnn.ops.reference`."""

import torch
import torch.nn.functional as F
from torch import Tensor

from segrnn.ops.precision import single, without_autocast


@torch.compiler.disable  # traced, it becomes a graph of all its steps, made anew for every size of image
def propagate(x: Tensor, affinity: Tensor) -> Tensor:
    """Linear propagation down the lines of a map through three neighbours.

    Liu et al. 2017, arXiv 1710.01020, equation 6: each state is a mean of the value and of the states upper left,
    above and upper right, so that the matrix from line to line is row-stochastic.

    Args:
        x: values ``(B, D, H, W)``.
        affinity: ``(B, 4, H, W)``: upper left, above, upper right and the value itself, before a softmax. What lies
            outside of the map has no part.

    Returns:
        The states ``(B, D, H, W)``.

    Example:
        >>> propagate(torch.ones(1, 2, 3, 4), torch.zeros(1, 4, 3, 4)).sum().item()
        24.0
    """
    outside = torch.zeros(affinity.shape[1:], dtype=torch.bool, device=x.device)
    outside[:3, 0] = True
    outside[0, :, 0] = True
    outside[2, :, -1] = True
    with without_autocast(x):
        weights = single(affinity).masked_fill(outside, -torch.inf).softmax(dim=1)
        state, *lines = single(x).unbind(dim=2)
        states = [state]
        for value, line_weights in zip(lines, weights.unbind(dim=2)[1:], strict=True):
            left, above, right, own = line_weights.split(1, dim=1)
            padded = F.pad(state, (1, 1))
            state = own * value + left * padded[..., :-2] + above * state + right * padded[..., 2:]
            states.append(state)
        return torch.stack(states, dim=2).to(x.dtype)


@torch.compiler.disable  # as above
def pass_messages(x: Tensor, kernel: Tensor) -> Tensor:
    """Messages down the lines of a map through a convolution along the line.

    Pan et al. 2018, arXiv 1712.06080: ``x'[1] = x[1]; x'[i] = x[i] + ReLU(K * x'[i-1])``.

    Args:
        x: ``(B, D, H, W)``.
        kernel: K, ``(D, D, width)``, width odd.

    Returns:
        x' ``(B, D, H, W)``.

    Example:
        >>> pass_messages(torch.ones(1, 1, 3, 1), torch.ones(1, 1, 1)).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    with without_autocast(x):
        state, *lines = single(x).unbind(dim=2)
        states = [state]
        for line in lines:
            state = line + F.relu(F.conv1d(state, single(kernel), padding=kernel.shape[2] // 2))
            states.append(state)
        return torch.stack(states, dim=2).to(x.dtype)
