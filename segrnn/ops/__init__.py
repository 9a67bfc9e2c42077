"""Recurrences, the layout changes around them and convolutions, as pure functions on tensors."""

from segrnn.ops.convolution import convolve
from segrnn.ops.propagation import pass_messages, propagate
from segrnn.ops.recurrences import Weights, gru, lstm, mingru, minlstm, rnn_relu, rnn_tanh
from segrnn.ops.sequences import from_sequences, to_sequences

__all__ = [
    "Weights",
    "convolve",
    "from_sequences",
    "gru",
    "lstm",
    "mingru",
    "minlstm",
    "pass_messages",
    "propagate",
    "rnn_relu",
    "rnn_tanh",
    "to_sequences",
]
