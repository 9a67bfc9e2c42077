"""Conversion of a feature map into the sequences that a sweep reads, and back."""

import torch
from torch import Tensor


def to_sequences(x: Tensor, axis: int) -> Tensor:
    """Cut a map into the sequences along one axis, with time first, as cuDNN expects.

    The same lines of all images follow each other: sequence ``n * B + b`` is line n of image b.

    Args:
        x: the map, ``(B, C, H, W)``.
        axis: 2 reads down each column, 3 reads along each row.

    Returns:
        ``(H, W*B, C)`` for axis 2, ``(W, H*B, C)`` for axis 3, contiguous.

    Example:
        >>> to_sequences(torch.zeros(2, 3, 5, 7), axis=2).shape
        torch.Size([5, 14, 3])
    """
    batch, channels, height, width = x.shape
    if x.is_contiguous():
        # as a matrix, because torch transposes matrices in blocks but permutes other tensors element by element
        pixels = x.reshape(batch * channels, height * width).t().contiguous().view(height, width, batch, channels)
    else:
        pixels = x.permute(2, 3, 0, 1).contiguous()  # a view if x is a single channels_last map
    lines = pixels if axis == 2 else pixels.transpose(0, 1).contiguous()
    return lines.flatten(1, 2)


def from_sequences(sequences: Tensor, axis: int, batch: int, channels_last: bool = False) -> Tensor:
    """Put sequences together to a map: the inverse of `to_sequences`, ``(T, N*B, C) -> (B, C, H, W)``.

    Args:
        sequences: the sequences, time first.
        axis: the axis along which they were cut.
        batch: B, the number of images.
        channels_last: whether the map gets the channels_last layout in memory.

    Example:
        >>> x = torch.rand(2, 3, 5, 7)
        >>> torch.equal(from_sequences(to_sequences(x, axis=3), axis=3, batch=2), x)
        True
    """
    lines = sequences.unflatten(1, (-1, batch))
    pixels = lines if axis == 2 else lines.transpose(0, 1)
    if channels_last:
        return pixels.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last)
    height, width, _, channels = pixels.shape
    matrix = pixels.reshape(height * width, batch * channels)  # as a matrix, as in `to_sequences`
    return matrix.t().contiguous().view(batch, channels, height, width)
