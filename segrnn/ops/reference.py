"""Slow twins: recurrences as loops that read like their equations, in any dtype. Tests hold the fast paths to them."""

import torch
from torch import Tensor


def gru(x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> Tensor:
    """A gated recurrent unit over time, from a zero state.

    Cho et al. 2014 in the reset-after form of arXiv 1406.1078v1, as cuDNN and `torch.nn.GRU` compute it; the gates
    are stacked in the order reset, update, new::

        r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) * n_t + z_t * h_{t-1}

    Args:
        x: ``(T, N, C)``.
        weight_ih: ``(3 D, C)``.
        weight_hh: ``(3 D, D)``.
        bias_ih: ``(3 D,)``.
        bias_hh: ``(3 D,)``.

    Returns:
        The states ``(T, N, D)``.
    """
    state = x.new_zeros(x.shape[1], weight_hh.shape[1])
    states = []
    for x_t in x:
        i_r, i_z, i_n = (x_t @ weight_ih.T + bias_ih).chunk(3, dim=1)
        h_r, h_z, h_n = (state @ weight_hh.T + bias_hh).chunk(3, dim=1)
        reset = torch.sigmoid(i_r + h_r)
        update = torch.sigmoid(i_z + h_z)
        new = torch.tanh(i_n + reset * h_n)
        state = (1 - update) * new + update * state
        states.append(state)
    return torch.stack(states)
