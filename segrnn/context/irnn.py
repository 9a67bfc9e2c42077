"""The four-direction IRNN of ION."""

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive
from segrnn.context.cells import RecurrentOnly
from segrnn.ops import from_sequences, rnn_relu, to_sequences


class FourDirectionIRNN(nn.Module):
    """Layers of ReLU recurrences to the right, left, down and up.

    In each layer, the four recurrences read one shared 1 x 1 convolution of the map, and another 1 x 1 convolution
    mixes their states. See Bell, Zitnick, Bala and Girshick 2016, "Inside-outside net", arXiv 1512.04143, section 3.2.
    To the right::

        h[i,j] = max(0, W h[i,j-1] + h[i,j]),  h at first the shared convolution,  W <- I

    After one layer, a position has seen its row and its column; after two layers, the whole map.

    Args:
        channels: C, the number of channels of the map.
        hidden: D, the state size of each direction.
        depth: the number of layers; two in the paper.

    Raises:
        ValueError: a number is below 1, or (when called) the map has another number of channels.

    Example:
        >>> FourDirectionIRNN(channels=24, hidden=8)(torch.zeros(2, 24, 5, 7)).shape
        torch.Size([2, 24, 5, 7])
    """

    def __init__(self, channels: int, hidden: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        positive("hidden", hidden)
        self.layers = nn.Sequential(*(_Layer(channels, hidden) for _ in range(positive("depth", depth))))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the context along both axes of a map ``(B, C, H, W)``. Its shape stays the same."""
        check_map(x, self.channels)
        return self.layers(x)


class _Layer(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(channels, hidden, kernel_size=1)
        self.columns = RecurrentOnly(hidden)
        self.rows = RecurrentOnly(hidden)
        self.mix = nn.Conv2d(4 * hidden, channels, kernel_size=1, bias=False)  # a norm or the next `shared` follows

    def forward(self, x: Tensor) -> Tensor:
        shared = self.shared(x)
        columns = rnn_relu(to_sequences(shared, axis=2), self.columns.all_weights)
        rows = rnn_relu(to_sequences(shared, axis=3), self.rows.all_weights)
        maps = [from_sequences(columns, axis=2, batch=x.shape[0]), from_sequences(rows, axis=3, batch=x.shape[0])]
        return self.mix(torch.cat(maps, dim=1))
