"""One recurrent sweep over a feature map."""

import torch
from torch import Tensor, nn

from segrnn.ops import from_sequences, to_sequences


class Sweep(nn.Module):
    """A bidirectional GRU along one axis of a map; every row or column is a sequence of its own.

    Args:
        channels: C of the input.
        hidden: state size D of each direction.
        axis: 2 sweeps up and down the columns, 3 left and right along the rows.

    Shapes:
        ``(B, C, H, W) -> (B, 2 D, H, W)``: the forward states, then the backward states.

    Example:
        >>> Sweep(channels=16, hidden=8, axis=2)(torch.zeros(1, 16, 5, 7)).shape
        torch.Size([1, 16, 5, 7])
    """

    def __init__(self, channels: int, hidden: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.rnn = nn.GRU(channels, hidden, bidirectional=True)
        initialize(self.rnn)

    def forward(self, x: Tensor) -> Tensor:
        """Sweep ``(B, C, H, W)`` into ``(B, 2 D, H, W)``."""
        states, _ = self.rnn(to_sequences(x, self.axis))
        return from_sequences(states, self.axis, batch=x.shape[0])


def initialize(gru: nn.GRU, memory: int = 32) -> None:
    """Orthogonal recurrent and Glorot input weights, each gate on its own, and biases that remember.

    PyTorch's default, uniform in 1/sqrt(D), trains markedly worse. With zero biases a state halves at every step; the
    update gate's bias is ``log(U(1, memory))`` instead, so that the units of one layer forget over 2 to `memory` + 1
    steps (Tallec and Ollivier 2018, "Can recurrent neural networks warp time?", arXiv 1804.11188, equation 16).
    """
    for name, parameter in gru.named_parameters():
        gates = parameter.split(gru.hidden_size)  # reset, update, new
        for gate in gates:
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(gate)
            else:
                nn.init.zeros_(gate)
        if name.startswith("bias_ih"):
            with torch.no_grad():
                gates[1].uniform_(1, memory).log_()
