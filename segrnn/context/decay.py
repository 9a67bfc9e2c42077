"""Sweeps without serial steps: each line is mixed by one product, whose weights decay with the distance."""

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, choose, positive
from segrnn.ops import from_sequences, to_sequences
from segrnn.ops.decay import MOST_DECAY, decay_attention, decay_product, decay_sweep
from segrnn.ops.precision import single, without_autocast

Gates = Literal["selective", "fixed"]
Mix = Callable[[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]], Tensor]
LONGEST_MEMORY = 32
"""The memories of the heads are spread from 1 to this number of steps at the beginning."""


class DecaySweep(nn.Module):
    """Two-sided gated linear attention along the columns, then along the rows. No step waits for another one.

    Each position of a line takes a weighted mean of the values on its line, `segrnn.ops.decay.decay_sweep`::

        y_i = sum_j q_i . k_j d_ij v_j / sum_j q_i . k_j d_ij,   q = exp(W_q x), k = exp(W_k x), v = W_v x

    d_ij is the product of the decays of all steps between i and j. Each head and direction has its own decay, a sigmoid
    of the input (``selective``) or a learned constant (``fixed``). See RetNet (Sun et al. 2023, arXiv 2307.08621) and LION
    (Afzal et al. 2025, arXiv 2502.16249). Deviations: queries and keys are exponentials, which keeps them positive, and
    the lines are those of a map. 1 x 1 convolutions lead to D channels and back, and each mix is added to its input.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of inner channels, divisible by the number of heads.
        heads: the number of heads. Each has its part of the D channels as values.
        keys: the number of channels of the queries and of the keys of each head.
        gates: ``selective`` or ``fixed``.

    Raises:
        ValueError: a number is below 1, `heads` does not divide `hidden`, the gates are unknown, or (when called) the map
            has other channels.

    Example:
        >>> DecaySweep(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(
        self, channels: int, hidden: int = 64, heads: int = 4, keys: int = 16, gates: Gates = "selective"
    ) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        self.columns = DecayLines(hidden, heads, keys, gates, _sweep)
        self.rows = DecayLines(hidden, heads, keys, gates, _sweep)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        return self.project(_along_both_axes(self.reduce(x), self.columns, self.rows))


class AxialDecay(nn.Module):
    """Attention along the columns, then along the rows, whose scores decay with the distance.

    ::

        y_i = sum_j softmax_j(q_i . k_j / sqrt(d) + log d_ij) v_j

    d_ij is as in `DecaySweep`. With fixed decays this is the attention of RMT (Fan et al. 2024, arXiv 2309.11523) along
    one axis after the other; with selective ones that of PPMA. Deviations: there is no positional embedding beside the
    decay and no local branch, and both axes are added to their input.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of inner channels, divisible by the number of heads.
        heads: the number of heads. Each has its part of the D channels as values.
        keys: the number of channels of the queries and of the keys of each head.
        gates: ``selective`` or ``fixed``.

    Raises:
        ValueError: a number is below 1, `heads` does not divide `hidden`, the gates are unknown, or (when called) the map
            has other channels.

    Example:
        >>> AxialDecay(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(
        self, channels: int, hidden: int = 64, heads: int = 4, keys: int = 16, gates: Gates = "selective"
    ) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        self.columns = DecayLines(hidden, heads, keys, gates, decay_attention)
        self.rows = DecayLines(hidden, heads, keys, gates, decay_attention)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        return self.project(_along_both_axes(self.reduce(x), self.columns, self.rows))


class DecayLines(nn.Module):
    """Queries, keys, values and decays of lines ``(T, N, D)``, and their mix.

    Args:
        hidden: D, the number of channels.
        heads: the number of heads.
        keys: the number of channels of the queries and of the keys of each head.
        gates: ``selective`` or ``fixed``.
        mix: the function that mixes the values of each line.
    """

    def __init__(self, hidden: int, heads: int, keys: int, gates: Gates, mix: Mix) -> None:
        super().__init__()
        if hidden % positive("heads", heads):
            raise ValueError(f"hidden={hidden} can't be divided into heads={heads}")
        self.heads, self.keys, self.values, self.mix = heads, positive("keys", keys), hidden // heads, mix
        self.selective = choose("gates", gates, get_args(Gates)) == "selective"
        self.project = nn.Linear(hidden, heads * (2 * keys + self.values))
        self.out = nn.Linear(hidden, hidden)
        # of each direction and head, the logit of the decay's share of its range
        memories = torch.logspace(0, math.log2(LONGEST_MEMORY), heads, base=2.0)
        shares = (1 / memories / MOST_DECAY).clamp(max=0.99)
        self.gates = nn.Linear(hidden, 2 * heads) if self.selective else None
        start = torch.logit(shares).repeat(2)
        if self.gates is None:
            self.gate_bias = nn.Parameter(start)
        else:
            with torch.no_grad():
                self.gates.bias.copy_(start)
                self.gates.weight.mul_(0.1)

    def forward(self, lines: Tensor) -> Tensor:
        """Mix each line of ``(T, N, D)``."""
        length, count, _ = lines.shape
        projected = self._by_head(self.project(lines))  # (heads N, T, 2 keys + values)
        query, key, value = projected.split([self.keys, self.keys, self.values], dim=-1)
        logits = self.gates(lines) if self.gates is not None else self.gate_bias.expand(length, count, -1)
        with without_autocast(lines):
            shares = (
                torch.sigmoid(single(logits)).unflatten(-1, (2, self.heads)).permute(2, 3, 1, 0)
            )  # (2, heads, N, T)
            forward, backward = (-MOST_DECAY * shares).flatten(1, 2)
            mixed = self.mix(single(query), single(key), single(value), (forward, backward))
        return self.out(mixed.unflatten(0, (self.heads, count)).permute(2, 1, 0, 3).flatten(2).to(lines.dtype))

    def _by_head(self, x: Tensor) -> Tensor:
        """Bring ``(T, N, heads F)`` to ``(heads N, T, F)``."""
        return x.unflatten(-1, (self.heads, -1)).permute(2, 1, 0, 3).flatten(0, 1)


def _sweep(query: Tensor, key: Tensor, value: Tensor, decays: tuple[Tensor, Tensor]) -> Tensor:
    """Make queries and keys positive, and choose the form: exported networks need the one without a loop."""
    query, key = (x.clamp(-8, 8).exp() for x in (query, key))
    mix = decay_product if torch.compiler.is_exporting() else decay_sweep
    return mix(query, key, value, decays)


def _along_both_axes(x: Tensor, columns: nn.Module, rows: nn.Module) -> Tensor:
    for axis, along in ((2, columns), (3, rows)):
        lines = to_sequences(x, axis)
        x = from_sequences(lines + along(lines), axis, batch=x.shape[0])
    return x
