"""Spatial propagation: each line of a map is computed from neighbours in the line before it."""

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive
from segrnn.ops import pass_messages, propagate


class SPN(nn.Module):
    """Linear propagation through three neighbours, in four directions, with weights computed from the input.

    See Liu et al. 2017, "Learning affinity via spatial propagation networks", arXiv 1710.01020, equation 6, and the
    related GSPN (Wang et al. 2025). Downwards, for line t and position k::

        h[k,t] = (1 - sum_n p_n[k,t]) x[k,t] + sum_n p_n[k,t] h[k+n,t-1],  n in {-1, 0, 1}

    A softmax makes the four weights of a position positive, with a sum of 1. Neighbours beyond the border get no
    weight. So every state is a mean of inputs, and nothing can grow: the matrix from one line to the next is
    row-stochastic. Deviations: the weights come from the same map, not from a guidance network, and all channels share
    them. The directions are concatenated and mixed by a 1 x 1 convolution; SPN takes their maximum.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of channels that are propagated.

    Raises:
        ValueError: a hidden size is below 1, or (when called) the map has another number of channels.

    Example:
        >>> SPN(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        # without a bias: propagation would leave it unchanged, and the norm behind would remove it
        self.values = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1, bias=False)
        # 16 channels: for each of four directions, the weights of three neighbours and of the position itself
        self.affinities = nn.Conv2d(channels, 16, kernel_size=1)
        self.project = nn.Conv2d(4 * hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Propagate a map ``(B, C, H, W)`` down, up, right and left. Its shape stays the same."""
        check_map(x, self.channels)
        values = self.values(x)
        down, up, right, left = self.affinities(x).chunk(4, dim=1)
        states = [
            propagate(values, down),
            propagate(values.flip(2), up.flip(2)).flip(2),
            propagate(values.mT, right.mT).mT,
            propagate(values.mT.flip(2), left.mT.flip(2)).flip(2).mT,
        ]
        return self.project(torch.cat(states, dim=1))


class SCNN(nn.Module):
    """Messages from line to line, first down, then up, then to the right and then to the left.

    A message is a convolution along the line before. See Pan et al. 2018, "Spatial as deep", arXiv 1712.06080, section
    3.2. The recurrence of BFP (Ding et al. 2019, arXiv 1909.00179) has the same form. Downwards::

        x'[1] = x[1];  x'[i] = x[i] + ReLU(K * x'[i-1]),  K over all channels and `kernel` positions

    Deviation: 1 x 1 convolutions lead to D channels and back, so that the cost does not depend on the map's channels.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of channels of the messages.
        kernel: the width of K, an odd number.

    Raises:
        ValueError: a number is below 1, the kernel is even, or (when called) the map has another number of channels.

    Example:
        >>> SCNN(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, kernel: int = 9) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        if positive("kernel", kernel) % 2 == 0:
            raise ValueError(f"kernel must be odd, got {kernel}")
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        self.kernels = nn.Parameter(torch.empty(4, hidden, hidden, kernel))
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows
        # as in the authors' code, messages start small, because 2 (H + W) steps in a row would blow up otherwise
        nn.init.normal_(self.kernels, std=(2 / (5 * hidden * hidden * kernel)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Pass messages over a map ``(B, C, H, W)`` in all four directions. Its shape stays the same."""
        check_map(x, self.channels)
        down, up, right, left = self.kernels
        y = pass_messages(self.reduce(x), down)
        y = pass_messages(y.flip(2), up).flip(2)
        y = pass_messages(y.mT, right).mT
        y = pass_messages(y.mT.flip(2), left).flip(2).mT
        return self.project(y)
