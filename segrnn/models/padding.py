"""How much TensorFlow's convolutions pad where their map's size is known well enough."""

from torch import nn


def same_padding(convolution: nn.Conv2d) -> list[tuple[int, int]]:
    """Return how much TensorFlow's "same" padding adds before and behind each axis, H and then W.

    It depends on the size of the map, unless the stride divides its sides. It does in a `Segmenter`, which pads its
    image until the encoder's stride divides it.

    Example:
        >>> same_padding(nn.Conv2d(3, 8, kernel_size=3, stride=2))
        [(0, 1), (0, 1)]
    """
    axes = zip(convolution.kernel_size, convolution.stride, convolution.dilation, strict=True)
    totals = (max(0, (kernel - 1) * dilation + 1 - stride) for kernel, stride, dilation in axes)
    return [(total // 2, total - total // 2) for total in totals]
