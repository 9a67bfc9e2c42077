"""One recurrent sweep over a feature map."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, choose, positive
from segrnn.context.cells import CELLS, initialize
from segrnn.ops import from_sequences, to_sequences

Merge = Literal["concatenate", "sum"]
Directions = Literal["both", "forward", "backward"]


class Sweep(nn.Module):
    """A recurrent layer along one axis of a map. Every row or column is a sequence of its own.

    ::

        hF[j] = f(hF[j-1], x[j]);  hB[j] = f(hB[j+1], x[j]);  out[j] = [hF[j]; hB[j]]  or  hF[j] + hB[j]

    Args:
        channels: C, the number of channels of the input.
        hidden: D, the state size of each direction. cuDNN's fast kernel trains sizes up to 128.
        axis: 2 sweeps along the columns, 3 along the rows.
        cell: the f above: ``rnn`` (tanh), ``irnn`` (ReLU), ``gru``, ``lstm``, ``mingru`` or ``minlstm``. The first four
            hold the weights of torch's own layers: for example, ``sweep.rnn`` loads and gives state dicts of
            `torch.nn.GRU`.
        directions: ``both``, ``forward`` (down or to the right only) or ``backward`` (up or to the left only).
        merge: the way to merge both directions, ``concatenate`` (ReNet) or ``sum`` (L-RNN).

    Shapes:
        ``(B, C, H, W) -> (B, 2 D, H, W)``: the forward states, then the backward states. With summed directions or a
        single direction, ``(B, D, H, W)``. A channels_last map stays channels_last.

    Raises:
        ValueError: a name is unknown, a hidden size is below 1, or (when called) the map has another number of
            channels.

    Example:
        >>> Sweep(channels=16, hidden=8, axis=2)(torch.zeros(1, 16, 5, 7)).shape
        torch.Size([1, 16, 5, 7])
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        axis: int,
        cell: str = "gru",
        directions: Directions = "both",
        merge: Merge = "concatenate",
    ) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.axis = choose("axis", axis, (2, 3))
        self.cell = CELLS[choose("cell", cell, CELLS)]
        self.directions = choose("directions", directions, get_args(Directions))
        self.merge = choose("merge", merge, get_args(Merge))
        self.rnn = self.cell.weights(channels, positive("hidden", hidden), bidirectional=directions == "both")
        self.out_channels = 2 * hidden if directions == "both" and merge == "concatenate" else hidden
        initialize(self.rnn, self.cell)

    def forward(self, x: Tensor) -> Tensor:
        """Sweep a map ``(B, C, H, W)``."""
        check_map(x, self.channels)
        if x.is_cuda and isinstance(self.rnn, nn.RNNBase) and not in_one_piece(self.rnn):
            self.rnn.flatten_parameters()
        sequences = to_sequences(x, self.axis)
        if self.directions == "backward":
            states = self.cell.recurrence(sequences.flip(0), self.rnn.all_weights).flip(0)
        else:
            states = self.cell.recurrence(sequences, self.rnn.all_weights)
        if self.directions == "both" and self.merge == "sum":
            forward, backward = states.chunk(2, dim=2)
            states = forward + backward
        channels_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        return from_sequences(states, self.axis, x.shape[0], channels_last)


def in_one_piece(weights: nn.RNNBase) -> bool:
    """Tell whether the weights share one storage, as cuDNN expects. Copying, averaging or loading can separate them."""
    return len({parameter.untyped_storage().data_ptr() for parameter in weights.parameters()}) == 1
