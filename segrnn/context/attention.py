"""Attention contexts: over the whole map, along one axis after the other, or along each position's row and column."""

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive
from segrnn.ops import from_sequences, to_sequences


class SelfAttention(nn.Module):
    """Attention from every position to every other position of a map.

    See Vaswani et al. 2017, arXiv 1706.03762, and Wang et al. 2018, arXiv 1711.07971. The attention is torch's. A 1 x 1
    convolution before it leads to D channels, and another behind it leads back to C. The cost grows with the square of
    H * W. There is no positional embedding: as in non-local networks, positions differ in their features only.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of inner channels, divisible by the number of heads.
        heads: the number of heads. Each attends by itself, with its part of the D channels.

    Raises:
        ValueError: a number is below 1, `heads` does not divide `hidden`, or (when called) the map has other channels.

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
        """Apply attention over a whole map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        reduced = self.reduce(x)
        tokens = reduced.flatten(2).permute(2, 0, 1)  # (H*W, B, D)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.project(attended.permute(1, 2, 0).unflatten(2, reduced.shape[2:]))


class AxialAttention(nn.Module):
    """Attention along each column and then along each row (Ho et al. 2019, arXiv 1912.12180).

    The attention is torch's. It stands between 1 x 1 convolutions to D channels and back to C. Deviation: there is no
    positional embedding, so that any size is possible.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of inner channels, divisible by the number of heads.
        heads: the number of heads. Each attends by itself, with its part of the D channels.

    Raises:
        ValueError: a number is below 1, `heads` does not divide `hidden`, or (when called) the map has other channels.

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
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        y = self.reduce(x)
        for axis, attention in ((2, self.columns), (3, self.rows)):
            lines = to_sequences(y, axis)
            attended, _ = attention(lines, lines, lines, need_weights=False)
            y = from_sequences(lines + attended, axis, batch=x.shape[0])
        return self.project(y)


class CrissCrossAttention(nn.Module):
    """Attention from each position to its row and its column. After two rounds, a position has seen the whole map.

    All rounds have the same weights. See Huang et al. 2019, "CCNet", arXiv 1811.11721, section 3.2::

        y[u] = x[u] + sum over v in row and column of u: softmax(q[u] . k[v]) value[v]

    The position itself counts once. Deviations: the attention stands between 1 x 1 convolutions to D channels and back
    to C, and it lacks the learned scale before the sum in the authors' code (`Residual` starts at zero instead).

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the number of channels of the values. Queries and keys have an eighth of it, and at least 1.
        rounds: the number of rounds.

    Raises:
        ValueError: a number is below 1, or (when called) the map has another number of channels.

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
        # without a bias, which would add the same value to all scores of a position and change nothing
        self.key = nn.Conv2d(hidden, max(1, hidden // 8), kernel_size=1, bias=False)
        self.value = nn.Conv2d(hidden, hidden, kernel_size=1)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1, bias=False)  # a norm follows

    def forward(self, x: Tensor) -> Tensor:
        """Apply `rounds` rounds of attention to a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        y = self.reduce(x)
        for _ in range(self.rounds):
            y = y + self._attend(y)
        return self.project(y)

    def _attend(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        query, key, value = self.query(x), self.key(x), self.value(x)
        down = torch.einsum("bchw,bcgw->bhwg", query, key)
        # the position itself is left out of its column, because it counts in its row
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None]
        along = torch.einsum("bchw,bchv->bhwv", query, key)
        scores = torch.cat([down.masked_fill(itself, -torch.inf), along], dim=3).softmax(dim=3)
        in_column, in_row = scores[..., :height], scores[..., height:]
        return torch.einsum("bhwg,bcgw->bchw", in_column, value) + torch.einsum("bhwv,bchv->bchw", in_row, value)


def _attention(hidden: int, heads: int) -> nn.MultiheadAttention:
    if hidden % positive("heads", heads):
        raise ValueError(f"hidden={hidden} can't be divided into heads={heads}")
    return nn.MultiheadAttention(hidden, heads, bias=False)
