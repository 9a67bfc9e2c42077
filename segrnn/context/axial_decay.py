"""Attention along the columns and then along the rows, whose scores decay with the distance."""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.context.arguments import check_map, choose, positive
from segrnn.ops import from_sequences, to_sequences
from segrnn.ops.precision import single, without_autocast

Gates = Literal["selective", "fixed"]
LONGEST_MEMORY = 32
"""At the beginning, the memories of the heads are spread from 1 to this number of steps."""


class AxialDecay(nn.Module):
    """Attention along each column and then along each row. Scores fall with the distance.

    For positions i and j of a line, with the decays a (left to right) and b (right to left) of each head::

        y_i = sum_j softmax_j(q_i . k_j / sqrt(d) + D_ij) v_j
        D_ij = log a_{j+1} + ... + log a_i (j < i),  log b_i + ... + log b_{j-1} (j > i),  0 (j = i)

    With ``fixed`` decays, which are learned, this is the attention of RMT (Fan et al. 2024, arXiv 2309.11523, section
    3.2) along one axis after the other. With ``selective`` decays, each is a sigmoid of its position's features, as in
    PPMA. Deviations: there is no positional embedding beside the decay and no local branch. 1 x 1 convolutions lead to
    D channels and back.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of inner channels, divisible by the number of heads.
        heads: the number of heads. Each has its part of the D channels as values.
        keys: d, the number of channels of the queries and of the keys of each head.
        gates: ``selective`` or ``fixed`` decays.

    Raises:
        ValueError: a number is below 1, `heads` does not divide `hidden`, the gates are unknown, or (when called) the
            map has other channels.

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
        self.columns = DecayingAttention(hidden, heads, keys, gates)
        self.rows = DecayingAttention(hidden, heads, keys, gates)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        y = self.reduce(x)
        for axis, attention in ((2, self.columns), (3, self.rows)):
            lines = to_sequences(y, axis)
            y = from_sequences(lines + attention(lines), axis, batch=x.shape[0])
        return self.project(y)


class DecayingAttention(nn.Module):
    """The attention of `AxialDecay` along lines ``(T, N, D)``."""

    def __init__(self, hidden: int, heads: int, keys: int, gates: Gates) -> None:
        super().__init__()
        if hidden % positive("heads", heads):
            raise ValueError(f"hidden={hidden} can't be divided into heads={heads}")
        self.heads, self.sizes = heads, [positive("keys", keys), keys, hidden // heads]
        choose("gates", gates, get_args(Gates))
        self.project = nn.Linear(hidden, heads * sum(self.sizes), bias=False)
        self.gates = nn.Linear(hidden, 2 * heads, bias=False) if gates == "selective" else None
        memories = torch.logspace(0, math.log2(LONGEST_MEMORY), heads, base=2.0)
        self.decays = nn.Parameter(torch.logit(torch.exp(-1 / memories)).repeat(2))  # of both directions, as logits
        self.out = nn.Linear(hidden, hidden, bias=False)

    def forward(self, lines: Tensor) -> Tensor:
        """Attend along each line."""
        heads = self.project(lines).unflatten(-1, (self.heads, -1)).permute(1, 2, 0, 3)  # (N, heads, T, 2 d + e)
        query, key, value = heads.split(self.sizes, dim=-1)
        logits = self.decays.expand(lines.shape[0], 1, -1) if self.gates is None else self.gates(lines) + self.decays
        with without_autocast(lines):
            # the logarithm of a sigmoid: ONNX has no such operator, and a sigmoid of ONNX Runtime may round to 0
            logarithms = -F.softplus(-single(logits))
            forward, backward = logarithms.permute(1, 2, 0).chunk(2, dim=1)  # (N or 1, heads, T)
            scores = sum_between(forward, backward)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=scores.to(query.dtype))
        return self.out(attended.permute(2, 0, 1, 3).flatten(2))


def sum_between(forward: Tensor, backward: Tensor) -> Tensor:
    """Add up the logarithms of the decays between positions i and j, ``(..., T) -> (..., T, T)``: D_ij of `AxialDecay`.

    Example:
        >>> sum_between(-torch.tensor([1.0, 2.0, 3.0]), -torch.tensor([10.0, 20.0, 30.0]))
        tensor([[  0., -10., -30.],
                [ -2.,   0., -20.],
                [ -5.,  -3.,   0.]])
    """
    before = forward.cumsum(dim=-1)
    behind = backward.flip(-1).cumsum(dim=-1).flip(-1)
    length = forward.shape[-1]
    is_before = torch.ones(length, length, dtype=torch.bool, device=forward.device).tril()
    return torch.where(
        is_before, before[..., :, None] - before[..., None, :], behind[..., :, None] - behind[..., None, :]
    )
