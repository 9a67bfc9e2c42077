"""The scan behind recurrences whose gates see the input only: minGRU and minLSTM.

Both are a running mean, ``h_t = h_{t-1} + update_t * (candidate_t - h_{t-1})`` with update between 0 and 1. Computed
step by step it is a convex combination at every step: nothing is divided, no logarithm or product grows with the
length, and saturated gates are exact. (A scan in log space, as in the paper, loses about 2e-4 in float32 over 2,048
steps.) What makes it fast is that the steps are taken in blocks: a block is projected, gated and scanned while it lies
in the cache, and its backward pass does the same in reverse, by hand, where autograd would make a node of every step.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 16
"""Steps at a time: 16 x 256 sequences x 128 gates are 2 MiB in float32; 8 to 32 are about as fast, 2 is slower."""


class Gates(NamedTuple):
    """What differs between the cells: how a projection ``(..., G D)`` becomes gates; update first, candidate last."""

    number: int
    activate: Callable[[tuple[Tensor, ...]], None]
    """In place."""
    differentiate: Callable[[tuple[Tensor, ...], Tensor, Tensor, tuple[Tensor, ...]], None]
    """From the gates, the states before and the loss's derivative by the states to that by the projection, put into
    the last argument."""


def minimal_gru(x: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """`segrnn.ops.mingru` for one dtype: ``(T, N, C) -> (T, N, D)`` for each direction, concatenated."""
    return _in_directions(x, weights, Gates(2, _activate_gru, _differentiate_gru))


def minimal_lstm(x: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """`segrnn.ops.minlstm` for one dtype: ``(T, N, C) -> (T, N, D)`` for each direction, concatenated."""
    return _in_directions(x, weights, Gates(3, _activate_lstm, _differentiate_lstm))


def _activate_gru(projected: tuple[Tensor, ...]) -> None:
    update, candidate = projected
    update.sigmoid_()
    _activate_candidate(candidate)


def _differentiate_gru(gates: tuple[Tensor, ...], before: Tensor, delta: Tensor, out: tuple[Tensor, ...]) -> None:
    update, candidate = gates
    d_candidate = torch.mul(delta, update, out=out[1])
    torch.sub(candidate, before, out=out[0]).mul_(d_candidate).mul_(1 - update)
    d_candidate.mul_(_candidate_slope(candidate))


def _activate_lstm(projected: tuple[Tensor, ...]) -> None:
    """Forget, input and candidate become update, input and candidate."""
    forget, new, candidate = projected
    # i / (f + i) = sigmoid(log i - log f): safe where both gates underflow
    update = torch.sigmoid(F.logsigmoid(new) - F.logsigmoid(forget))
    forget.copy_(update)
    new.sigmoid_()
    _activate_candidate(candidate)


def _differentiate_lstm(gates: tuple[Tensor, ...], before: Tensor, delta: Tensor, out: tuple[Tensor, ...]) -> None:
    update, new, candidate = gates
    keep = 1 - update
    d_update = delta * (candidate - before)
    torch.mul(d_update, keep * (keep * new - update), out=out[0])  # -(1 - f) keep update, as f update = i keep
    torch.mul(d_update, keep * update * (1 - new), out=out[1])
    torch.mul(delta, update, out=out[2]).mul_(_candidate_slope(candidate))


def _activate_candidate(a: Tensor) -> None:
    """``a + 0.5`` above 0, ``sigmoid(a)`` below: each is there the larger of the two."""
    below = torch.sigmoid(a)
    torch.maximum(a.add_(0.5), below, out=a)


def _candidate_slope(candidate: Tensor) -> Tensor:
    return torch.where(candidate >= 0.5, 1.0, candidate * (1 - candidate))


def _in_directions(x: Tensor, weights: Sequence[Sequence[Tensor]], gates: Gates) -> Tensor:
    return _Scan.apply(x, gates, torch.is_grad_enabled(), *(tensor for direction in weights for tensor in direction))


class _Scan(torch.autograd.Function):
    """One or two directions: ``x (T, N, C)`` and, of each, ``weight (G D, C), bias (G D,) -> (T, N, D)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gates: Gates, training: bool, *weights: Tensor) -> Tensor:
        x, weights = x.detach(), tuple(weight.detach() for weight in weights)  # torch.export traces with gradients on
        length, batch, _ = x.shape
        hidden = len(weights[0]) // gates.number
        # a step of zeros before the first and behind the last: the state before is a view, one step off
        padded = x.new_empty(length + 2, batch, hidden * len(weights) // 2)
        padded[0] = padded[-1] = 0
        activated = []
        for weight, bias, states, before, reverse in _directions(weights, padded, hidden):
            activated.append(x.new_empty(length if training else min(BLOCK, length), batch, len(weight)))
            for block in _blocks(length, reverse):
                own = activated[-1][block if training else slice(block.stop - block.start)]
                own.copy_(F.linear(x[block], weight, bias))
                parts = own.chunk(gates.number, dim=2)
                gates.activate(parts)
                for out, state, update, candidate in _steps(reverse, states[block], before[block], parts[0], parts[-1]):
                    torch.lerp(state, candidate, update, out=out)
        if training:
            ctx.save_for_backward(x, padded, *activated, *weights)
            ctx.gates = gates
        return padded[1:-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, padded, *saved = ctx.saved_tensors
        number, gates = len(saved) // 3, ctx.gates
        activated, weights = saved[:number], saved[number:]
        hidden = len(weights[0]) // gates.number
        d_x = x.new_zeros(x.shape)
        d_weights = [torch.zeros_like(weight) for weight in weights]
        for i, (weight, _, _, before, reverse) in enumerate(_directions(weights, padded, hidden)):
            d_states = gradient[..., i * hidden : (i + 1) * hidden]
            carried = (x.new_zeros(x.shape[1], hidden),) * 2
            for block in _blocks(len(x), not reverse):
                parts = activated[i][block].chunk(gates.number, dim=2)
                delta = torch.empty_like(parts[0])  # of the loss by each state, through all that follow
                for own, out, keep in _steps(not reverse, d_states[block], delta, 1 - parts[0]):
                    torch.addcmul(own, *carried, out=out)
                    carried = keep, out
                d_projected = torch.empty_like(activated[i][block])
                gates.differentiate(parts, before[block], delta, d_projected.chunk(gates.number, dim=2))
                d_flat = d_projected.flatten(0, 1)
                d_x[block].flatten(0, 1).addmm_(d_flat, weight)
                d_weights[2 * i].addmm_(d_flat.T, x[block].flatten(0, 1))
                d_weights[2 * i + 1] += d_flat.sum(dim=0)
        return d_x, None, None, *d_weights


def _directions(
    weights: Sequence[Tensor], padded: Tensor, hidden: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, bool]]:
    """Of each direction: weight, bias, states ``(T, N, D)``, at each step the state before, and if it is reversed."""
    for i, reverse in zip(range(len(weights) // 2), (False, True), strict=False):
        own = padded[..., i * hidden : (i + 1) * hidden]
        yield weights[2 * i], weights[2 * i + 1], own[1:-1], own[2:] if reverse else own[:-2], reverse


def _blocks(length: int, reverse: bool) -> list[slice]:
    blocks = [slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
    return blocks[::-1] if reverse else blocks


def _steps(reverse: bool, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Step by step through tensors ``(T, ...)``."""
    steps = zip(*(tensor.unbind() for tensor in tensors), strict=True)
    return reversed(list(steps)) if reverse else steps
