"""Convolutions that train in fewer passes over memory than torch's, on a CPU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_WIDEST = 3
"""The widest kernel for which oneDNN computes the gradient of a depthwise convolution's weights with fast code.

For wider kernels, oneDNN takes code that computes each channel 16 times: 5 x 5 took 82 ms, 5 x 3 only 16 ms (16 maps of
672 channels of 14 x 20, oneDNN 3.11).
"""

Ends = tuple[int, int]
"""The numbers of zeros before and behind an axis."""


def convolve(x: Tensor, weight: Tensor, rows: Ends, columns: Ends, stride: tuple[int, ...], groups: int) -> Tensor:
    """Convolve a map with zeros around it, with gradients that take few passes over memory.

    The values are exactly those of ``F.conv2d(F.pad(x, ...), ...)``. The gradients are the same except for rounding.

    Args:
        x: the map, ``(B, C, H, W)``.
        weight: the weights, ``(O, C / groups, h, w)``.
        rows: the numbers of zeros above and below.
        columns: the numbers of zeros on the left and on the right.
        stride: the strides of rows and of columns.
        groups: the number of groups of channels.

    Returns:
        The sums, ``(B, O, H', W')``. A channels_last map stays channels_last.

    Example:
        >>> convolve(torch.ones(1, 2, 4, 4), torch.ones(2, 1, 3, 3), (0, 1), (0, 1), (2, 2), 2)[0, 0].tolist()
        [[9.0, 6.0], [6.0, 4.0]]
    """
    result: Tensor = _Convolution.apply(x, weight, rows, columns, stride, groups)
    return result


class _Convolution(torch.autograd.Function):
    """The function behind `convolve`, with a backward pass of its own."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, rows: Ends, columns: Ends, stride: tuple[int, ...], groups: int
    ) -> Tensor:
        if rows[0] == rows[1] and columns[0] == columns[1]:
            ctx.rows, ctx.columns = rows, columns  # equal on both ends: oneDNN itself adds these zeros, without a copy
        else:
            x, ctx.rows, ctx.columns = _pad(x, rows, columns), (0, 0), (0, 0)
        ctx.save_for_backward(x, weight)
        ctx.asked, ctx.stride, ctx.groups = (rows, columns), stride, groups
        return F.conv2d(x, weight, None, stride, (ctx.rows[0], ctx.columns[0]), 1, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = _gradients(ctx, gradient, x, weight, ctx.columns[0], (True, False, False))[0]
            if ctx.rows != ctx.asked[0] or ctx.columns != ctx.asked[1]:
                (top, bottom), (left, right) = ctx.asked  # the crop is a view; a copy would take another pass
                of_x = of_x[:, :, top : of_x.shape[2] - bottom, left : of_x.shape[3] - right]
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(ctx, gradient, x, weight)
        return of_x, of_weight, None, None, None, None


def _of_weight(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient of the weights. It is computed a few columns at a time if a depthwise kernel is wide."""
    width = weight.shape[3]
    if width <= _WIDEST or weight.shape[1] > 1:
        return _gradients(ctx, gradient, x, weight, ctx.columns[0], (False, True, False))[1]
    parts = []
    for first in range(0, width, _WIDEST):
        taps = weight[..., first : first + _WIDEST]
        left = ctx.columns[0] - first  # a number below zero removes columns
        seen = (gradient.shape[3] - 1) * ctx.stride[1] + taps.shape[3]
        own = _pad(x, (0, 0), (left, seen - left - x.shape[3]))
        parts.append(_gradients(ctx, gradient, own, taps, 0, (False, True, False))[1])
    return torch.cat(parts, dim=3)


def _gradients(
    ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, columns: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the map, of the weights and of the bias; only those that `wanted` selects."""
    padding = (ctx.rows[0], columns)
    result: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, ctx.stride, padding, (1, 1), False, (0, 0), ctx.groups, wanted
    )
    return result


def _pad(x: Tensor, rows: Ends, columns: Ends) -> Tensor:
    """Put zeros around a map. A number of columns below zero removes columns instead.

    ``F.pad`` does the same, but writes the whole map twice.
    """
    (top, bottom), (left, right) = rows, columns
    x = x[..., max(0, -left) : x.shape[3] + min(0, right)]
    left, right = max(0, left), max(0, right)
    images, channels, height, width = x.shape
    memory_format = torch.channels_last if x.stride(1) == 1 else torch.contiguous_format
    size = (images, channels, top + height + bottom, left + width + right)
    padded = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=memory_format)
    inside = padded[:, :, top : top + height]
    inside[..., left : left + width] = x
    inside[..., :left] = 0
    inside[..., left + width :] = 0
    padded[:, :, :top] = 0
    padded[:, :, top + height :] = 0
    return padded
