"""Slow versions of the recurrences: loops that read like the equations. Tests compare the fast versions with them.

Each function starts from a zero state and maps ``x (T, N, C)`` to the states ``(T, N, D)``, in one direction and in any
dtype. Gates are stacked along the first axis of the weights, as in `torch.nn`: ``weight_ih (G D, C)``,
``weight_hh (G D, D)``, biases ``(G D,)``.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def rnn_tanh(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Run the network of Elman 1990, "Finding structure in time".

    ::

        h_t = tanh(W_i x_t + b_i + W_h h_{t-1} + b_h)
    """
    return _elman(torch.tanh, x, weight_ih, weight_hh, bias_ih, bias_hh)


def rnn_relu(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Run the IRNN of Le, Jaitly and Hinton 2015, arXiv 1504.00941. There, W_h starts as the identity.

    ::

        h_t = ReLU(W_i x_t + b_i + W_h h_{t-1} + b_h)
    """
    return _elman(torch.relu, x, weight_ih, weight_hh, bias_ih, bias_hh)


def gru(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Run the GRU of Cho et al. 2014 in the reset-after form of arXiv 1406.1078v1, as cuDNN and `torch.nn.GRU` do.

    The gates are in the order reset, update, new::

        r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) * n_t + z_t * h_{t-1}
    """
    state = _zeros(x, weight_hh.shape[1])
    states = []
    for x_t in x:
        i_r, i_z, i_n = F.linear(x_t, weight_ih, bias_ih).chunk(3, dim=1)
        h_r, h_z, h_n = F.linear(state, weight_hh, bias_hh).chunk(3, dim=1)
        reset = torch.sigmoid(i_r + h_r)
        update = torch.sigmoid(i_z + h_z)
        new = torch.tanh(i_n + reset * h_n)
        state = (1 - update) * new + update * state
        states.append(state)
    return torch.stack(states)


def lstm(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """Run the LSTM of Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000, without peepholes.

    The gates are in the order input, forget, cell, output. The states that are returned are h::

        i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)
    """
    state = memory = _zeros(x, weight_hh.shape[1])
    states = []
    for x_t in x:
        gates = F.linear(x_t, weight_ih, bias_ih) + F.linear(state, weight_hh, bias_hh)
        i, f, g, o = gates.chunk(4, dim=1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        state = torch.sigmoid(o) * torch.tanh(memory)
        states.append(state)
    return torch.stack(states)


def mingru(x: Tensor, weight_ih: Tensor, bias_ih: Tensor) -> Tensor:
    """Run the minimal GRU of Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, appendix B.

    The gates depend on the input only. They are in the order update, candidate::

        z_t = sigmoid(W_z x_t + b_z)
        c_t = g(W_c x_t + b_c),  g(a) = a + 0.5 if a >= 0 else sigmoid(a)
        h_t = (1 - z_t) * h_{t-1} + z_t * c_t
    """
    state = _zeros(x, weight_ih.shape[0] // 2)
    states = []
    for x_t in x:
        z, c = F.linear(x_t, weight_ih, bias_ih).chunk(2, dim=1)
        update = torch.sigmoid(z)
        state = (1 - update) * state + update * _g(c)
        states.append(state)
    return torch.stack(states)


def minlstm(x: Tensor, weight_ih: Tensor, bias_ih: Tensor) -> Tensor:
    """Run the minimal LSTM of Feng et al. 2024, arXiv 2410.01201, appendix B, with normalised gates.

    The gates are in the order forget, input, candidate::

        f_t = sigmoid(W_f x_t + b_f),  i_t = sigmoid(W_i x_t + b_i)
        h_t = f_t / (f_t + i_t) * h_{t-1} + i_t / (f_t + i_t) * g(W_c x_t + b_c),  g as in `mingru`
    """
    state = _zeros(x, weight_ih.shape[0] // 3)
    states = []
    for x_t in x:
        f, i, c = F.linear(x_t, weight_ih, bias_ih).chunk(3, dim=1)
        forget, new = torch.sigmoid(f), torch.sigmoid(i)
        state = forget / (forget + new) * state + new / (forget + new) * _g(c)
        states.append(state)
    return torch.stack(states)


def in_directions(recurrence: Callable[..., Tensor], x: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Run a recurrence forwards and, with a second set of weights, also backwards: ``(T, N, D or 2 D)``."""
    states = [recurrence(x, *weights[0])]
    states += [recurrence(x.flip(0), *backward).flip(0) for backward in weights[1:]]
    return torch.cat(states, dim=2)


def propagate(x: Tensor, affinity: Tensor) -> Tensor:
    """Compute `segrnn.ops.propagate` as in GSPN: a row-stochastic tridiagonal matrix maps one line to the next."""
    height, width = x.shape[2:]
    images = []
    for values, scores in zip(x, affinity, strict=True):
        lines = [values[:, 0]]
        for t in range(1, height):
            rows = []
            for k in range(width):
                columns = [n for n in (k - 1, k, k + 1) if 0 <= n < width]
                chosen = torch.stack([*(scores[n - k + 1, t, k] for n in columns), scores[3, t, k]])
                *neighbours, own = torch.softmax(chosen, dim=0)
                means = [weight * lines[-1][:, n] for weight, n in zip(neighbours, columns, strict=True)]
                rows.append(own * values[:, t, k] + torch.stack(means).sum(dim=0))
            lines.append(torch.stack(rows, dim=1))
        images.append(torch.stack(lines, dim=1))
    return torch.stack(images)


def pass_messages(x: Tensor, kernel: Tensor) -> Tensor:
    """Compute `segrnn.ops.pass_messages` as a sum over the kernel's positions."""
    width, reach = x.shape[3], kernel.shape[2] // 2
    lines = [x[:, :, 0]]
    for i in range(1, x.shape[2]):
        columns = []
        for j in range(width):
            inside = [n for n in range(-reach, reach + 1) if 0 <= j + n < width]
            message = torch.stack([lines[-1][:, :, j + n] @ kernel[:, :, n + reach].T for n in inside]).sum(dim=0)
            columns.append(x[:, :, i, j] + torch.relu(message))
        lines.append(torch.stack(columns, dim=2))
    return torch.stack(lines, dim=2)


def _elman(
    activation: Callable[[Tensor], Tensor],
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
) -> Tensor:
    state = _zeros(x, weight_hh.shape[1])
    states = []
    for x_t in x:
        state = activation(F.linear(x_t, weight_ih, bias_ih) + F.linear(state, weight_hh, bias_hh))
        states.append(state)
    return torch.stack(states)


def _g(a: Tensor) -> Tensor:
    return torch.where(a >= 0, a + 0.5, torch.sigmoid(a))


def _zeros(x: Tensor, hidden: int) -> Tensor:
    return x.new_zeros(x.shape[1], hidden)
