"""The recurrent cells that a sweep can run: their weights, their recurrence and their initialisation."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segrnn import ops


class GatedByInput(nn.Module):
    """The weights of minGRU and minLSTM, named like those of `torch.nn.GRU`. There are no recurrent weights."""

    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool, gates: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.bidirectional = bidirectional
        for suffix in ("", "_reverse") if bidirectional else ("",):
            weight = nn.Parameter(torch.empty(gates * hidden_size, input_size))
            self.register_parameter(f"weight_ih_l0{suffix}", weight)
            self.register_parameter(f"bias_ih_l0{suffix}", nn.Parameter(torch.empty(gates * hidden_size)))

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """Return weight and bias of each direction."""
        parameters = list(self.parameters())
        return [parameters[i : i + 2] for i in range(0, len(parameters), 2)]


class RecurrentOnly(nn.Module):
    """The recurrent matrices of ION's IRNN, one for each direction. The input is added without a matrix of its own."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.weight_hh_l0 = nn.Parameter(torch.eye(hidden_size))
        self.weight_hh_l0_reverse = nn.Parameter(torch.eye(hidden_size))

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """Return the weights as `torch.nn.RNN` has them, with the identity as the input's matrix and biases of 0."""
        identity = torch.eye(len(self.weight_hh_l0)).to(self.weight_hh_l0)
        zeros = torch.zeros_like(identity[0])
        return [[identity, weight, zeros, zeros] for weight in (self.weight_hh_l0, self.weight_hh_l0_reverse)]


class Cell(NamedTuple):
    """A recurrence, its weights and their initialisation."""

    weights: Callable[..., nn.RNNBase | GatedByInput]
    """Makes the weights from the input size, the hidden size and ``bidirectional=``. torch's layers only hold weights
    here; they are never called."""
    recurrence: Callable[[Tensor, ops.Weights], Tensor]
    remember: Callable[[tuple[Tensor, ...]], None]
    """Sets the gates' biases so that states last. It gets the biases split by gate, and all zero."""


def _no_gates(biases: tuple[Tensor, ...]) -> None:
    """Leave the biases at zero, as the cell has no gates."""


def _spread(bias: Tensor) -> Tensor:
    """Draw a bias from ``log(U(1, 32))``, so that the units of one layer forget over 2 to 33 steps.

    With zero biases, a state halves at every step. See Tallec and Ollivier 2018, "Can recurrent neural networks warp
    time?", arXiv 1804.11188, equation 16.
    """
    return bias.uniform_(1, 32).log_()


def _spread_update(biases: tuple[Tensor, ...]) -> None:
    _spread(biases[1])  # gates: reset, update, new. An open update gate keeps the state


def _spread_update_of_mingru(biases: tuple[Tensor, ...]) -> None:
    _spread(biases[0]).neg_()  # gates: update, candidate. An open update gate replaces the state


def _spread_forget_of_minlstm(biases: tuple[Tensor, ...]) -> None:
    # gates: forget, input, candidate. With a large bias, f is near 1, so only a small i makes i / (f + i) small
    _spread(biases[0])
    biases[1].copy_(-biases[0])


def _forget_bias_of_one(biases: tuple[Tensor, ...]) -> None:
    """Set the bias of the forget gate to 1.

    See Jozefowicz, Zaremba and Sutskever 2015, "An empirical exploration of recurrent network architectures".
    """
    biases[1].fill_(1.0)  # gates: input, forget, cell, output. torch adds a second bias, which stays 0


CELLS = {
    "rnn": Cell(partial(nn.RNN, nonlinearity="tanh"), ops.rnn_tanh, _no_gates),
    "irnn": Cell(partial(nn.RNN, nonlinearity="relu"), ops.rnn_relu, _no_gates),
    "gru": Cell(nn.GRU, ops.gru, _spread_update),
    "lstm": Cell(nn.LSTM, ops.lstm, _forget_bias_of_one),
    "mingru": Cell(partial(GatedByInput, gates=2), ops.mingru, _spread_update_of_mingru),
    "minlstm": Cell(partial(GatedByInput, gates=3), ops.minlstm, _spread_forget_of_minlstm),
}
"""The cells by name. `segrnn.ops.reference` has their equations."""


@torch.no_grad()
def initialize(weights: nn.RNNBase | GatedByInput, cell: Cell) -> None:
    """Initialise recurrent weights orthogonally, input weights by Glorot's rule, and biases so that states last.

    Each gate's weights are initialised by themselves. PyTorch's default, uniform in 1/sqrt(D), trains markedly worse.
    The recurrent matrix of the ReLU RNN starts as the identity (Le, Jaitly and Hinton 2015).
    """
    for name, parameter in weights.named_parameters():
        gates = parameter.split(weights.hidden_size)
        for gate in gates:
            if not name.startswith("weight_hh"):
                nn.init.xavier_uniform_(gate) if gate.ndim == 2 else nn.init.zeros_(gate)
            elif cell.recurrence is ops.rnn_relu:
                nn.init.eye_(gate)
            else:
                nn.init.orthogonal_(gate)
        if name.startswith("bias_ih"):
            cell.remember(gates)
