"""Two-sided gated linear attention along lines, without serial steps.

Every position takes a weighted mean of the values on its line. The weight of value j for position i is ``q_i . k_j``
times the decays of all steps between i and j. Queries and keys are at least 0, so the mean is bounded at any length.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 32
"""The number of positions that `decay_sweep` takes in one product."""
MOST_DECAY = 2.0
"""The largest decay of a step, as a negative logarithm. The factors of a chunk are then at most e^64, which single
precision can hold."""


def decay_sweep(query: Tensor, key: Tensor, value: Tensor, decays: tuple[Tensor, Tensor]) -> Tensor:
    """Take the weighted mean of the values for every position of every line, in chunks of at most `CHUNK` positions.

    The result equals that of a recurrence in each direction, `segrnn.ops.reference.decay_sweep`::

        F_t = e^f_t F_{t-1} + k_t [v_t, 1]^T;  B_t = e^b_t B_{t+1} + k_t [v_t, 1]^T
        y_t = q_t (F_t + B_t - k_t [v_t, 1]^T), divided by its last column

    With fixed decays this is RetNet's retention (Sun et al. 2023, arXiv 2307.08621) in both directions, with a carried
    denominator. Within a chunk, e^(G_i - G_j) is the product of e^G_i and e^-G_j, where G adds up the logarithms of the
    decays from the chunk's border on. So positions need no mask of their own. States carry sums from chunk to chunk.

    Args:
        query: q, at least 0, ``(N, T, d)``.
        key: k, at least 0, ``(N, T, d)``.
        value: v, ``(N, T, e)``.
        decays: f and b, the logarithms of the decays in both directions, ``(N, T)`` each, from ``-MOST_DECAY`` to 0.

    Returns:
        The means, ``(N, T, e)``.
    """
    length = query.shape[1]
    count = -(-length // CHUNK)
    size = -(-length // count)

    def cut(x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, count * size - length)).unflatten(1, (count, size))

    query, key, values = cut(query), cut(key), cut(F.pad(value, (0, 1), value=1.0))
    forward, backward = (cut(decay.unsqueeze(-1)) for decay in decays)
    before = forward.cumsum(dim=2)  # (N, c, L, 1), each from its own step back to the chunk's beginning
    behind = backward.flip(2).cumsum(dim=2).flip(2)
    queries = query * before.exp(), query * behind.exp()
    keys = key * (-before).exp(), key * (-behind).exp()
    weights = (queries[0] @ keys[0].mT).tril() + (queries[1] @ keys[1].mT).triu(1)
    means = weights @ values
    if count > 1:
        whole = before[:, :, -1:].exp(), behind[:, :, :1].exp()
        added = [decay * (own.mT @ values) for decay, own in zip(whole, keys, strict=True)]  # (N, c, d, e + 1)
        states = _carry(added[0], whole[0]), _carry(added[1].flip(1), whole[1].flip(1)).flip(1)
        means = means + queries[0] @ states[0] + queries[1] @ states[1]
    means = means.flatten(1, 2)[:, :length]
    return means[..., :-1] / means[..., -1:]


def _carry(added: Tensor, decays: Tensor) -> Tensor:
    """Return the state before each chunk: what all chunks before it have added ``(N, c, d, e)``, decayed."""
    state = torch.zeros_like(added[:, 0])
    states = [state]
    for own, decay in zip(added.unbind(1)[:-1], decays.unbind(1)[:-1], strict=True):
        state = decay * state + own
        states.append(state)
    return torch.stack(states, dim=1)


def decay_product(query: Tensor, key: Tensor, value: Tensor, decays: tuple[Tensor, Tensor]) -> Tensor:
    """Compute `decay_sweep` as one product for each line. The cost grows with the square of T; any decay is possible.

    It has no loop, so an exported network runs it at any size.
    """
    weights = (query @ key.mT) * between(decays).exp()
    return (weights @ value) / weights.sum(dim=-1, keepdim=True)


def decay_attention(query: Tensor, key: Tensor, value: Tensor, decays: tuple[Tensor, Tensor]) -> Tensor:
    """Attend along each line, with the decays between two positions as part of their score.

    ::

        y_i = sum_j softmax_j(q_i . k_j / sqrt(d) + D_ij) v_j

    D_ij adds up the logarithms of the decays between i and j, as in RMT (Fan et al. 2024, arXiv 2309.11523, fixed) and
    PPMA (selective). Arguments and result are those of `decay_sweep`, where queries and keys may have any sign.
    """
    return F.scaled_dot_product_attention(query, key, value, attn_mask=between(decays))


def between(decays: tuple[Tensor, Tensor]) -> Tensor:
    """Add up the logarithms of the decays between positions i and j of each line, ``(N, T) -> (N, T, T)``."""
    before = decays[0].cumsum(dim=1)
    behind = decays[1].flip(1).cumsum(dim=1).flip(1)
    left = before[:, :, None] - before[:, None, :]
    right = behind[:, :, None] - behind[:, None, :]
    own_or_left = torch.ones(before.shape[1], before.shape[1], dtype=torch.bool, device=before.device).tril()
    return torch.where(own_or_left, left, right)
