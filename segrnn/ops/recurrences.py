"""Recurrences over time-first sequences: torch's fused functions, made safe for images, and the minimal cells.

Each function starts from a zero state and maps ``x (T, N, C)`` to the states ``(T, N, D)``. With the weights of two
directions, the result is ``(T, N, 2 D)``: the forward states, then the backward states. `segrnn.ops.reference` has the
equations, and computes the same slowly. Second derivatives exist wherever torch has them. The minimal cells and cuDNN
have none, and raise an error.
"""

from collections.abc import Callable, Sequence
from functools import wraps

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from segrnn.ops.precision import single, without_autocast
from segrnn.ops.scan import minimal_gru, minimal_lstm

Weights = Sequence[Sequence[Tensor]]
"""One or two directions, each with ``weight_ih, weight_hh, bias_ih, bias_hh``, as in `torch.nn.RNNBase.all_weights`."""

LARGEST_BATCH = 4096
"""The largest number of sequences in one call. cuDNN has failed at 6464 (tensorflow#39453), and a few large maps have
that many rows."""

Recurrence = Callable[[Tensor, Weights], Tensor]


def _replaceable(recurrence: Recurrence) -> Recurrence:
    """Let a `torch.overrides.TorchFunctionMode` see the recurrence as one function.

    This lets exporters replace it by one operator. torch's own operators also take a state; a tracer follows them step
    by step if nothing replaces them.
    """

    @wraps(recurrence)
    def function(x: Tensor, weights: Weights) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(function, (x,), x, weights)
        return recurrence(x, weights)

    return function


@_replaceable
def rnn_tanh(x: Tensor, weights: Weights) -> Tensor:
    """Run Elman's network (Elman 1990), ``(T, N, C) -> (T, N, D)``.

    Weights are as in `torch.nn.RNN`.

    Example:
        >>> layer = nn.RNN(3, 4)
        >>> x = torch.rand(5, 2, 3)
        >>> torch.equal(rnn_tanh(x, layer.all_weights), layer(x)[0])
        True
    """
    return _run(_library(torch.rnn_tanh), x, weights)


@_replaceable
def rnn_relu(x: Tensor, weights: Weights) -> Tensor:
    """Run the IRNN (Le, Jaitly and Hinton 2015, arXiv 1504.00941), ``(T, N, C) -> (T, N, D)``.

    Weights are as in ``torch.nn.RNN(nonlinearity="relu")``.

    Example:
        >>> layer = nn.RNN(3, 4, nonlinearity="relu")
        >>> x = torch.rand(5, 2, 3)
        >>> torch.equal(rnn_relu(x, layer.all_weights), layer(x)[0])
        True
    """
    return _run(_library(torch.rnn_relu), x, weights)


@_replaceable
def gru(x: Tensor, weights: Weights) -> Tensor:
    """Run the gated recurrent unit (Cho et al. 2014), ``(T, N, C) -> (T, N, D)``.

    The reset gate is applied after the matrix product. Weights are as in `torch.nn.GRU`.

    Example:
        >>> layer = nn.GRU(3, 4, bidirectional=True)
        >>> x = torch.rand(5, 2, 3)
        >>> torch.equal(gru(x, layer.all_weights), layer(x)[0])
        True
    """
    return _run(_library(torch.gru), x, weights)


@_replaceable
def lstm(x: Tensor, weights: Weights) -> Tensor:
    """Run long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), ``(T, N, C) -> (T, N, D)``.

    Weights are as in `torch.nn.LSTM`.

    Example:
        >>> layer = nn.LSTM(3, 4)
        >>> x = torch.rand(5, 2, 3)
        >>> torch.equal(lstm(x, layer.all_weights), layer(x)[0])
        True
    """
    return _run(_lstm, x, weights)


@_replaceable
def mingru(x: Tensor, weights: Weights) -> Tensor:
    """Run the minimal GRU (Feng et al. 2024, arXiv 2410.01201), ``(T, N, C) -> (T, N, D)``.

    The weights of each direction are ``weight_ih (2 D, C), bias_ih (2 D)``.

    Example:
        >>> mingru(torch.rand(5, 2, 3), [(torch.rand(8, 3), torch.rand(8))]).shape
        torch.Size([5, 2, 4])
    """
    return _run(minimal_gru, x, weights)


@_replaceable
def minlstm(x: Tensor, weights: Weights) -> Tensor:
    """Run the minimal LSTM (Feng et al. 2024, arXiv 2410.01201), ``(T, N, C) -> (T, N, D)``.

    The weights of each direction are ``weight_ih (3 D, C), bias_ih (3 D)``.

    Example:
        >>> minlstm(torch.rand(5, 2, 3), [(torch.rand(12, 3), torch.rand(12))]).shape
        torch.Size([5, 2, 4])
    """
    return _run(minimal_lstm, x, weights)


@torch.compiler.disable  # compiled, it would be a graph of all its steps, made again for every size of image
def _run(recurrence: Recurrence, x: Tensor, weights: Weights) -> Tensor:
    """Run a recurrence in pieces that cuDNN can take, and in at least single precision. The result has x's dtype."""
    if x.shape[1] > LARGEST_BATCH:
        return torch.cat([_run(recurrence, part, weights) for part in x.split(LARGEST_BATCH, dim=1)], dim=1)
    with without_autocast(x):
        return recurrence(single(x), [[single(weight) for weight in direction] for direction in weights]).to(x.dtype)


def _library(function: Callable[..., tuple[Tensor, Tensor]]) -> Recurrence:
    def recurrence(x: Tensor, weights: Weights) -> Tensor:
        return function(x, _zero_state(x, weights), *_options(weights))[0]

    return recurrence


def _lstm(x: Tensor, weights: Weights) -> Tensor:
    zeros = _zero_state(x, weights)
    return torch.lstm(x, (zeros, zeros), *_options(weights))[0]


def _zero_state(x: Tensor, weights: Weights) -> Tensor:
    return x.new_zeros(len(weights), x.shape[1], weights[0][1].shape[1])


def _options(weights: Weights) -> tuple[list[Tensor], bool, int, float, bool, bool, bool]:
    """Return torch's other arguments: weights, has_biases, num_layers, dropout, train, bidirectional, batch_first.

    Train is always on. Without it, cuDNN keeps nothing for a backward pass, so that a frozen layer or a layer in
    evaluation mode could not pass gradients on. It changes no value, because there is no dropout.
    """
    flat = [weight for direction in weights for weight in direction]
    return flat, True, 1, 0.0, True, len(weights) == 2, False
