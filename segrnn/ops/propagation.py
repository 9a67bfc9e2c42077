"""Recurrences from line to line of a map through neighbours. `segrnn.ops.reference` has slow versions of them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from segrnn.ops.precision import single, without_autocast


@torch.compiler.disable  # compiled, it would be a graph of all its steps, made again for every size of image
def propagate(x: Tensor, affinity: Tensor) -> Tensor:
    """Propagate linearly down the lines of a map, through three neighbours in the line above.

    The equation is number 6 of Liu et al. 2017, arXiv 1710.01020. Each state is a weighted mean of the position's value
    and of the states upper left, above and upper right. So the matrix from line to line is row-stochastic.

    Args:
        x: values ``(B, D, H, W)``.
        affinity: the weights before a softmax, ``(B, 4, H, W)``, of the states upper left, above and upper right and
            of the value itself. States outside of the map get the weight 0.

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
    """Pass messages down the lines of a map. A message is a convolution along the line above.

    The equation is that of Pan et al. 2018, arXiv 1712.06080: ``x'[1] = x[1]; x'[i] = x[i] + ReLU(K * x'[i-1])``.

    Args:
        x: the map, ``(B, D, H, W)``.
        kernel: K, ``(D, D, width)``; the width is odd.

    Returns:
        The map x', ``(B, D, H, W)``.

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
