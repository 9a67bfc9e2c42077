"""From a feature map to the sequences that a sweep reads, and back."""

from torch import Tensor


def to_sequences(x: Tensor, axis: int) -> Tensor:
    """Cut a map into the sequences along one axis, time first as cuDNN wants them.

    Args:
        x: ``(B, C, H, W)``.
        axis: 2 reads down each column, 3 reads along each row.

    Returns:
        ``(H, B*W, C)`` for axis 2, ``(W, B*H, C)`` for axis 3. On a channels_last map this is the cheap order: the
        channels lie together already.

    Example:
        >>> to_sequences(torch.zeros(2, 3, 5, 7), axis=2).shape
        torch.Size([5, 14, 3])
    """
    other = 5 - axis
    return x.permute(axis, 0, other, 1).flatten(1, 2)


def from_sequences(sequences: Tensor, axis: int, batch: int) -> Tensor:
    """The inverse of `to_sequences`: ``(T, B*N, C) -> (B, C, H, W)``.

    Example:
        >>> x = torch.rand(2, 3, 5, 7)
        >>> torch.equal(from_sequences(to_sequences(x, axis=3), axis=3, batch=2), x)
        True
    """
    lines = sequences.unflatten(1, (batch, -1))  # (T, B, N, C)
    return lines.permute(1, 3, 0, 2) if axis == 2 else lines.permute(1, 3, 2, 0)
