"""The scan of minGRU and minLSTM. The gates of these recurrences depend on the input only.

Both are a running mean, ``h_t = h_{t-1} + update_t * (candidate_t - h_{t-1})`` with update between 0 and 1. Computed
step by step, every state is a convex combination: nothing is divided, no logarithm or product grows with the length,
and saturated gates are exact. (A scan in log space, as in the paper, loses about 2e-4 in float32 over 2,048 steps.)
The scan is fast because it takes the steps in blocks: a block is projected, gated and scanned while it lies in the
cache. The backward pass is written by hand and does the same in reverse; autograd would make a node of every step.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 16
"""The number of steps in a block. 16 steps x 256 sequences x 128 gates are 2 MiB in float32. 8 to 32 steps are about as
fast, and 2 are slower."""


class Gates(NamedTuple):
    """The part that differs between the cells: a projection ``(..., G D)`` becomes gates, from update to candidate."""

    number: int
    """G, the number of gates."""
    activate: Callable[[tuple[Tensor, ...]], None]
    """Turns a projection into gates, in place. The first is the update, the last the candidate."""
    differentiate: Callable[[tuple[Tensor, ...], Tensor, Tensor, tuple[Tensor, ...]], None]
    """Computes the loss's derivative by the projection and puts it into the last argument. The other arguments are the
    gates, the states one step before, and the loss's derivative by the states."""


def minimal_gru(x: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Run `segrnn.ops.mingru` in one dtype: ``(T, N, C) -> (T, N, D)`` for each direction, concatenated."""
    return _in_directions(x, weights, Gates(2, _activate_gru, _differentiate_gru))


def minimal_lstm(x: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Run `segrnn.ops.minlstm` in one dtype: ``(T, N, C) -> (T, N, D)`` for each direction, concatenated."""
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
    """Turn the projections of forget, input and candidate into update, input and candidate, in place."""
    forget, new, candidate = projected
    # i / (f + i) = sigmoid(log i - log f), which is safe even if both gates underflow
    update = torch.sigmoid(F.logsigmoid(new) - F.logsigmoid(forget))
    forget.copy_(update)
    new.sigmoid_()
    _activate_candidate(candidate)


def _differentiate_lstm(gates: tuple[Tensor, ...], before: Tensor, delta: Tensor, out: tuple[Tensor, ...]) -> None:
    update, new, candidate = gates
    keep = 1 - update
    d_update = delta * (candidate - before)
    # the factor is -(1 - f) keep update; f is not stored, but f update = i keep
    torch.mul(d_update, keep * (keep * new - update), out=out[0])
    torch.mul(d_update, keep * update * (1 - new), out=out[1])
    torch.mul(delta, update, out=out[2]).mul_(_candidate_slope(candidate))


def _activate_candidate(a: Tensor) -> None:
    """Replace a by ``a + 0.5`` above 0 and by ``sigmoid(a)`` below 0: in both cases, the larger of the two."""
    below = torch.sigmoid(a)
    torch.maximum(a.add_(0.5), below, out=a)


def _candidate_slope(candidate: Tensor) -> Tensor:
    return torch.where(candidate >= 0.5, 1.0, candidate * (1 - candidate))


def _in_directions(x: Tensor, weights: Sequence[Sequence[Tensor]], gates: Gates) -> Tensor:
    return _Scan.apply(x, gates, torch.is_grad_enabled(), *(tensor for direction in weights for tensor in direction))


class _Scan(torch.autograd.Function):
    """The scan in one or two directions, from ``x (T, N, C)`` to the states ``(T, N, D or 2 D)``.

    The weights of each direction are ``weight (G D, C), bias (G D,)``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gates: Gates, training: bool, *weights: Tensor) -> Tensor:
        x, weights = x.detach(), tuple(weight.detach() for weight in weights)  # torch.export traces with gradients on
        length, batch, _ = x.shape
        hidden = len(weights[0]) // gates.number
        # with a step of zeros at both ends, the states one step before are a view of the same tensor
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
                # the derivative of the loss by each state, including the way through all later states
                delta = torch.empty_like(parts[0])
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
    """Yield weight, bias, states ``(T, N, D)``, the states one step before, and "is reversed", for each direction."""
    for i, reverse in zip(range(len(weights) // 2), (False, True), strict=False):
        own = padded[..., i * hidden : (i + 1) * hidden]
        yield weights[2 * i], weights[2 * i + 1], own[1:-1], own[2:] if reverse else own[:-2], reverse


def _blocks(length: int, reverse: bool) -> list[slice]:
    blocks = [slice(start, min(start + BLOCK, length)) for start in range(0, length, BLOCK)]
    return blocks[::-1] if reverse else blocks


def _steps(reverse: bool, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Return an iterator over the steps of tensors ``(T, ...)``, forwards or in reverse."""
    steps = zip(*(tensor.unbind() for tensor in tensors), strict=True)
    return reversed(list(steps)) if reverse else steps
