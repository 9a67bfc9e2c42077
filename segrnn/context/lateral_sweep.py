"""Messages between lines that are 1, 2, 4, ... apart: a sweep in a logarithmic number of steps."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive


class LateralSweep(nn.Module):
    """Messages down, up, to the right and to the left, over distances that double with every step.

    See RESA (Zheng et al. 2021, arXiv 2008.13719, equations 1 to 3). In each direction, for the steps s = 0, 1, ...::

        x[i] <- x[i] + gate[i] * ReLU(K_s * x[i - 2^s]),   gate = sigmoid(W x)

    K_s is a convolution along the line, over all channels and `kernel` positions. The gate is computed once for each
    direction, from the map before its first step. After S steps, a position has seen
    2^S - 1 lines. Deviations: RESA wraps around at the borders, and here nothing comes from beyond them. RESA's
    distances are fractions of the map's side, and here they are the same on any map. A gate replaces RESA's constant
    factor. 1 x 1 convolutions lead to D channels and back.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of channels of the messages.
        kernel: the width of K, an odd number.
        steps: S, the number of steps in each direction.

    Raises:
        ValueError: a number is below 1, the kernel is even, or (when called) the map has another number of channels.

    Example:
        >>> LateralSweep(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 32, kernel: int = 9, steps: int = 5) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        if positive("kernel", kernel) % 2 == 0:
            raise ValueError(f"kernel must be odd, got {kernel}")
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        positive("steps", steps)
        self.down = LateralSteps(hidden, kernel, steps, axis=2, reverse=False)
        self.up = LateralSteps(hidden, kernel, steps, axis=2, reverse=True)
        self.right = LateralSteps(hidden, kernel, steps, axis=3, reverse=False)
        self.left = LateralSteps(hidden, kernel, steps, axis=3, reverse=True)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Pass messages over a map ``(B, C, H, W)`` in all four directions. Its shape stays the same."""
        check_map(x, self.channels)
        return self.project(self.left(self.right(self.up(self.down(self.reduce(x))))))


class LateralSteps(nn.Module):
    """The steps in one direction: down or to the right, or in reverse up or to the left."""

    def __init__(self, hidden: int, kernel: int, steps: int, axis: int, reverse: bool) -> None:
        super().__init__()
        self.axis, self.reverse = axis, reverse
        size = (1, kernel) if axis == 2 else (kernel, 1)
        padding = size[0] // 2, size[1] // 2
        # without a bias, so that nothing comes from beyond the border
        convolutions = (nn.Conv2d(hidden, hidden, size, padding=padding, bias=False) for _ in range(steps))
        self.messages = nn.ModuleList(convolutions)
        self.gate = nn.Conv2d(hidden, hidden, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pass messages over a map ``(B, D, H, W)``."""
        gate = torch.sigmoid(self.gate(x))
        for step, message in enumerate(self.messages):
            x = x + gate * self._shift(F.relu(message(x)), 2**step)
        return x

    def _shift(self, x: Tensor, distance: int) -> Tensor:
        """Move a map's lines by a distance. Zeros come from beyond the border."""
        ends = (0, distance) if self.reverse else (distance, 0)
        padded = F.pad(x, (0, 0, *ends) if self.axis == 2 else ends)
        return padded.narrow(self.axis, distance if self.reverse else 0, x.shape[self.axis])
