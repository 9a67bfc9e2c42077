"""The scan behind recurrences whose gates see the input only: minGRU and minLSTM.

Both are a running mean, ``h_t = keep_t * h_{t-1} + (1 - keep_t) * candidate_t`` with keep between 0 and 1. Computed
step by step it is a convex combination at every step: nothing is divided, no logarithm or product grows with the
length, and saturated gates are exact. (A scan in log space, as in the paper, loses about 2e-4 in float32 over 2,048
steps.) What makes it fast is that the steps are taken in blocks: a block is projected, gated and scanned while it lies
in the cache, and its backward pass does the same in reverse, by hand, where autograd would make a node of every step.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 8
"""Steps at a time: 8 x 256 sequences x 128 gates are 1 MiB in float32, about a core's second-level cache."""


class Gates(NamedTuple):
    """What differs between the cells: how a projection ``(..., G D)`` becomes gates, keep first and candidate last."""

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
    """Update and candidate become keep and candidate."""
    update, candidate = projected
    update.neg_().sigmoid_()
    _activate_candidate(candidate)


def _differentiate_gru(gates: tuple[Tensor, ...], before: Tensor, delta: Tensor, out: tuple[Tensor, ...]) -> None:
    keep, candidate = gates
    d_candidate = torch.mul(delta, 1 - keep, out=out[1])
    torch.sub(candidate, before, out=out[0]).mul_(d_candidate).mul_(keep)
    d_candidate.mul_(_candidate_slope(candidate))


def _activate_lstm(projected: tuple[Tensor, ...]) -> None:
    """Forget, input and candidate become keep, input and candidate."""
    forget, new, candidate = projected
    # f / (f + i) = sigmoid(log f - log i): safe where both gates underflow
    keep = torch.sigmoid(F.logsigmoid(forget) - F.logsigmoid(new))
    forget.copy_(keep)
    new.sigmoid_()
    _activate_candidate(candidate)


def _differentiate_lstm(gates: tuple[Tensor, ...], before: Tensor, delta: Tensor, out: tuple[Tensor, ...]) -> None:
    keep, new, candidate = gates
    d_keep = delta * (before - candidate)
    slope = keep * (1 - keep)
    torch.mul(d_keep, slope - keep * keep * new, out=out[0])  # (1 - f) keep (1 - keep), as f (1 - keep) = i keep
    torch.mul(d_keep, slope * (new - 1), out=out[1])
    torch.mul(delta, 1 - keep, out=out[2]).mul_(_candidate_slope(candidate))


def _activate_candidate(a: Tensor) -> None:
    """``a + 0.5`` above 0, ``sigmoid(a)`` below."""
    below = a.clamp(max=0).sigmoid_()
    a.relu_().add_(below)


def _candidate_slope(candidate: Tensor) -> Tensor:
    return torch.where(candidate >= 0.5, 1.0, candidate * (1 - candidate))


def _in_directions(x: Tensor, weights: Sequence[Sequence[Tensor]], gates: Gates) -> Tensor:
    states = [_Scan.apply(x, *direction, gates, i == 1) for i, direction in enumerate(weights)]
    return torch.cat(states, dim=2)


class _Scan(torch.autograd.Function):
    """One direction: ``x (T, N, C), weight (G D, C), bias (G D,) -> (T, N, D)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, gates: Gates, reverse: bool) -> Tensor:
        x, weight, bias = x.detach(), weight.detach(), bias.detach()  # torch.export traces with gradients on
        length, batch, _ = x.shape
        activated = x.new_empty(length, batch, len(weight))
        states, before = _shifted(x.new_empty(length + 1, batch, len(weight) // gates.number), reverse)
        for block in _blocks(length, reverse):
            activated[block] = F.linear(x[block], weight, bias)
            parts = activated[block].chunk(gates.number, dim=2)
            gates.activate(parts)
            for t in _steps(block, reverse):
                torch.lerp(parts[-1][t - block.start], before[t], parts[0][t - block.start], out=states[t])
        ctx.save_for_backward(x, weight, activated, before)
        ctx.gates, ctx.reverse = gates, reverse
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, activated, before = ctx.saved_tensors
        d_x, d_weight, d_bias = x.new_empty(x.shape), torch.zeros_like(weight), weight.new_zeros(len(weight))
        keep_after = delta_after = torch.zeros_like(before[0])
        for block in _blocks(len(x), not ctx.reverse):
            parts = activated[block].chunk(ctx.gates.number, dim=2)
            delta = torch.empty_like(before[block])  # of the loss by each state, through all that follow
            for t in _steps(block, not ctx.reverse):
                i = t - block.start
                torch.addcmul(gradient[t], keep_after, delta_after, out=delta[i])
                keep_after, delta_after = parts[0][i], delta[i]
            d_projected = torch.empty_like(activated[block])
            ctx.gates.differentiate(parts, before[block], delta, d_projected.chunk(ctx.gates.number, dim=2))
            d_flat = d_projected.flatten(0, 1)
            torch.mm(d_flat, weight, out=d_x[block].flatten(0, 1))
            d_weight.addmm_(d_flat.T, x[block].flatten(0, 1))
            d_bias += d_flat.sum(dim=0)
        return d_x, d_weight, d_bias, None, None


def _shifted(padded: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """All states ``(T, N, D)`` and, at each step, the state before it: two views of ``(T + 1, N, D)``; first a zero."""
    padded[-1 if reverse else 0] = 0
    return (padded[:-1], padded[1:]) if reverse else (padded[1:], padded[:-1])


def _blocks(length: int, reverse: bool) -> list[slice]:
    blocks = [slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
    return blocks[::-1] if reverse else blocks


def _steps(block: slice, reverse: bool) -> range:
    return range(block.stop - 1, block.start - 1, -1) if reverse else range(block.start, block.stop)
