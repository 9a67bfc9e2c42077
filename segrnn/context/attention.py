"""Contexts that attend: to the whole map, to one axis after the other, or to the row and column of each position."""

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive
from segrnn.ops import from_sequences, to_sequences


class SelfAttention(nn.Module):
    """Every position attends to every other: Vaswani et al. 2017, arXiv 1706.03762; Wang et al. 2018, arXiv 1711.07971.

    The attention is torch's; a 1 x 1 convolution leads to D channels before and another back to C behind it. Its cost
    grows with the square of H * W. Nothing tells positions apart but their features, as in non-local networks.

    Args:
        channels: C of the map.
        hidden: D, divisible by the number of heads.
        heads: parts of D that attend on their own.

    Raises:
        ValueError: a number below 1, a `hidden` that the heads do not divide, or (called) a map of other channels.

    Example:
        >>> SelfAttention(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        self.attention = _attention(hidden, heads)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Look everywhere in ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        reduced = self.reduce(x)
        tokens = reduced.flatten(2).permute(2, 0, 1)  # (H*W, B, D)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.project(attended.permute(1, 2, 0).unflatten(2, reduced.shape[2:]))


class AxialAttention(nn.Module):
    """Attention along each column and then along each row: Ho et al. 2019, arXiv 1912.12180.

    The attention is torch's, between 1 x 1 convolutions to D channels and back to C. Deviation: no positional
    embedding, so that any size is possible.

    Args:
        channels: C of the map.
        hidden: D, divisible by the number of heads.
        heads: parts of D that attend on their own.

    Raises:
        ValueError: a number below 1, a `hidden` that the heads do not divide, or (called) a map of other channels.

    Example:
        >>> AxialAttention(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        self.columns = _attention(hidden, heads)
        self.rows = _attention(hidden, heads)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Look along both axes of ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        y = self.reduce(x)
        for axis, attention in ((2, self.columns), (3, self.rows)):
            lines = to_sequences(y, axis)
            attended, _ = attention(lines, lines, lines, need_weights=False)
            y = from_sequences(lines + attended, axis, batch=x.shape[0])
        return self.project(y)


class CrissCrossAttention(nn.Module):
    """Each position attends to its row and its column; done twice with the same weights, it has seen the whole map.

    Huang et al. 2019, "CCNet", arXiv 1811.11721, section 3.2::

        y[u] = x[u] + sum over v in row and column of u: softmax(q[u] . k[v]) value[v]

    The position itself counts once. Deviations: between 1 x 1 convolutions to D channels and back to C, and without
    the learned scale that the authors' code has in front of the sum (`Residual` starts at zero instead).

    Args:
        channels: C of the map.
        hidden: D of the values; queries and keys have an eighth, at least 1.
        rounds: R, how often.

    Raises:
        ValueError: a number below 1, or (called) a map of other channels.

    Example:
        >>> CrissCrossAttention(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, rounds: int = 2) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.rounds = positive("rounds", rounds)
        self.reduce = nn.Conv2d(channels, positive("hidden", hidden), kernel_size=1)
        self.query = nn.Conv2d(hidden, max(1, hidden // 8), kernel_size=1)
        # a bias would add the same to all scores of a position
        self.key = nn.Conv2d(hidden, max(1, hidden // 8), kernel_size=1, bias=False)
        self.value = nn.Conv2d(hidden, hidden, kernel_size=1)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Look along row and column, `rounds` times, in ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        y = self.reduce(x)
        for _ in range(self.rounds):
            y = y + self._attend(y)
        return self.project(y)

    def _attend(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        query, key, value = self.query(x), self.key(x), self.value(x)
        down = torch.einsum("bchw,bcgw->bhwg", query, key)
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None]  # counted in the row
        along = torch.einsum("bchw,bchv->bhwv", query, key)
        scores = torch.cat([down.masked_fill(itself, -torch.inf), along], dim=3).softmax(dim=3)
        in_column, in_row = scores[..., :height], scores[..., height:]
        return torch.einsum("bhwg,bcgw->bchw", in_column, value) + torch.einsum("bhwv,bchv->bchw", in_row, value)


def _attention(hidden: int, heads: int) -> nn.MultiheadAttention:
    if hidden % positive("heads", heads):
        raise ValueError(f"hidden={hidden} can't be divided into heads={heads}")
    return nn.MultiheadAttention(hidden, heads, bias=False)
