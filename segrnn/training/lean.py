"""Changes to a network that let it train in fewer passes over memory on a CPU."""

from functools import partial

import torch
from torch import Tensor, nn

from segrnn.compat import Conv2dSame
from segrnn.models.same_padding import same_padding
from segrnn.ops import convolve

_KEEPS_ITS_INPUT = (nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.SiLU)
"""Activations whose gradient needs their input. If they work in place, torch copies the input first.

ReLU6 is a subclass of Hardtanh.
"""


def make_lean(model: nn.Module) -> None:
    """Let a network train in fewer passes over memory, for channels_last maps on a CPU.

    Outputs stay the same. Gradients stay the same except for rounding. Activations no longer work in place if torch
    would copy their input. TensorFlow's convolutions and wide depthwise convolutions use `convolve`, if they have no
    bias.

    Args:
        model: the network, which is changed in place. Its modules and weights keep their names, its modules their
            classes.

    Example:
        >>> from segrnn.models import FCN, Segmenter
        >>> model = Segmenter(FCN("tu-tf_efficientnet_lite0", classes=4, width=16))
        >>> make_lean(model)
        >>> any(part.inplace for part in model.modules() if isinstance(part, nn.ReLU6))
        False
    """
    for part in model.modules():
        if isinstance(part, _KEEPS_ITS_INPUT):
            part.inplace = False
        elif isinstance(part, nn.Conv2d) and _gains(part):
            part.forward = partial(_convolve, part)  # type: ignore[method-assign]  # its class stays the same


def _gains(convolution: nn.Conv2d) -> bool:
    if convolution.bias is not None or convolution.padding_mode != "zeros" or convolution.dilation != (1, 1):
        return False
    if isinstance(convolution.padding, str):
        return False
    if type(convolution) is Conv2dSame:
        return any(before != behind for before, behind in same_padding(convolution))
    depthwise = convolution.groups == convolution.in_channels
    return type(convolution) is nn.Conv2d and depthwise and convolution.kernel_size[1] > 3


def _convolve(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute the forward pass of a convolution."""
    if not torch.is_grad_enabled() or torch.is_autocast_enabled(x.device.type):
        return type(convolution).forward(convolution, x)
    if isinstance(convolution, Conv2dSame):
        rows, columns = same_padding(convolution)
    else:
        assert not isinstance(convolution.padding, str)
        rows, columns = ((side, side) for side in convolution.padding)
    return convolve(x, convolution.weight, rows, columns, convolution.stride, convolution.groups)
