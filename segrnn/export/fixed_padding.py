"""Fixed padding for export. Padding that depends on a map's size makes a graph for any size grow without end."""

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.compat import Conv2dSame
from segrnn.export.graph import Exported
from segrnn.models.same_padding import same_padding


class FixedPadding(nn.Module):
    """A strided convolution with TensorFlow's "same" padding, for maps with sides that its stride divides.

    Args:
        convolution: a convolution of timm, which computes its padding again for every map. Its weights are used, not
            copied.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        rows, columns = same_padding(convolution)
        self.padding = [*columns, *rows]

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a map ``(B, C, H, W)``."""
        own = self.convolution
        return F.conv2d(F.pad(x, self.padding), own.weight, own.bias, own.stride, 0, own.dilation, own.groups)


def with_fixed_padding(exported: Exported) -> Exported:
    """Return a copy that computes the same with fixed padding only."""
    copied = copy.deepcopy(exported)
    for parent in list(copied.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Conv2dSame):
                setattr(parent, name, FixedPadding(child))
    return copied
