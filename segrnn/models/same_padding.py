"""The amount by which TensorFlow's convolutions pad a map of a known size."""

from torch import nn


def same_padding(convolution: nn.Conv2d) -> list[tuple[int, int]]:
    """Return how much TensorFlow's "same" padding adds before and behind each axis, first for H and then for W.

    In general, the padding depends on the size of the map. It does not if the stride divides the map's sides, which is
    assumed here. A `Segmenter` ensures that: it pads its image until the encoder's stride divides it.

    Example:
        >>> same_padding(nn.Conv2d(3, 8, kernel_size=3, stride=2))
        [(0, 1), (0, 1)]
    """
    axes = zip(convolution.kernel_size, convolution.stride, convolution.dilation, strict=True)
    totals = (max(0, (kernel - 1) * dilation + 1 - stride) for kernel, stride, dilation in axes)
    return [(total // 2, total - total // 2) for total in totals]
