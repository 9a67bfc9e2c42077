"""Convolutions with a bias and an activation that oneDNN computes in one pass over memory."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.compat import Conv2dSame
from segrnn.models.same_padding import same_padding


class FusedConvolution(nn.Module):
    """A convolution and the activation behind it, computed in one call of oneDNN.

    torch has this call for its compiler. In eager mode, torch adds the bias and applies the activation in separate
    passes, pads maps for TensorFlow's convolutions in two more passes, and computes 1 x 1 convolutions with slower code
    if it has one thread.

    Args:
        convolution: a convolution that `fits` accepts.
        activation: an activation that `fits` accepts, or None if no activation follows.

    Raises:
        AttributeError: this version of torch doesn't have the call.

    Shapes:
        ``(B, C, H, W)`` to the shape of the convolution's output. A channels_last map stays channels_last.
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module | None) -> None:
        super().__init__()
        self._call = torch.ops.mkldnn._convolution_pointwise
        weight, padding = convolution.weight.detach(), convolution.padding
        if isinstance(convolution, Conv2dSame):
            (top, bottom), (left, right) = same_padding(convolution)
            # this call pads both ends of an axis equally: zero taps are put first, and read the excess padding
            weight, padding = F.pad(weight, (right - left, 0, bottom - top, 0)), (bottom, right)
        # parameters, because the device of a network's parameters tells where the network is
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        bias = None if convolution.bias is None else nn.Parameter(convolution.bias.detach(), requires_grad=False)
        self.register_parameter("bias", bias)
        self._geometry = (padding, convolution.stride, convolution.dilation, convolution.groups)
        self._activation = _describe(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution and the activation."""
        return self._call(x, self.weight, self.bias, *self._geometry, *self._activation)


def fits(module: nn.Module) -> bool:
    """Tell whether `FusedConvolution` can replace a convolution or an activation.

    Example:
        >>> fits(nn.ReLU6()), fits(nn.PReLU()), fits(nn.Conv2d(3, 8, 3, padding_mode="reflect"))
        (True, False, False)
    """
    if not isinstance(module, nn.Conv2d):
        return type(module) in (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.SiLU, nn.Hardswish)
    if module.padding_mode != "zeros" or isinstance(module.padding, str) or module.weight.dtype != torch.float32:
        return False
    if type(module) is Conv2dSame:  # an additional zero tap moves the others by one pixel only if nothing is dilated
        axes = zip(same_padding(module), module.dilation, strict=True)
        return all(before == behind or dilation == 1 for (before, behind), dilation in axes)
    return type(module) is nn.Conv2d


def _describe(activation: nn.Module | None) -> tuple[str, list[Any], str]:
    """Return the name and the numbers that denote an activation in oneDNN's call."""
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is a subclass
        return "hardtanh", [activation.min_val, activation.max_val], ""
    names = {nn.ReLU: "relu", nn.SiLU: "swish", nn.Hardswish: "hardswish"}
    return "none" if activation is None else names[type(activation)], [], ""
