"""The translation of `segrnn::recurrence` into ONNX's own GRU, LSTM and RNN, which are never unrolled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from segrnn.export.packages import need
from segrnn.export.recurrence import hidden_size

GATES = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""The positions of ONNX's gates (update, reset, new; input, output, forget, cell) among torch's gates."""


def translate(x: Any, weights: Sequence[Any], directions: int, cell: str) -> Any:
    """Write the operator in ONNX. The arguments are those of `segrnn.export.recurrence.recurrence`, but symbolic."""
    op = need("onnxscript").opset18
    number = len(weights) // directions
    own = [weights[i * number : (i + 1) * number] for i in range(directions)]
    hidden = hidden_size(weights[0].shape[0], cell)
    shared = {"hidden_size": hidden, "direction": "bidirectional" if directions == 2 else "forward"}
    if cell in ("mingru", "minlstm"):
        states = _running_mean(op, _gates(op, x, own, cell), hidden, directions, shared)
    else:
        w, r, b, c = (_stack(op, [_reorder(op, weight[i], hidden, cell) for weight in own]) for i in range(4))
        bias = op.Concat(b, c, axis=1)
        if cell == "gru":
            states, _ = op.GRU(x, w, r, bias, linear_before_reset=1, **shared)
        elif cell == "lstm":
            states, _, _ = op.LSTM(x, w, r, bias, **shared)
        else:
            activation = {"rnn_tanh": "Tanh", "rnn_relu": "Relu"}[cell]
            states, _ = op.RNN(x, w, r, bias, activations=[activation] * directions, **shared)
    # (T, directions, N, D) to (T, N, directions * D); a 0 keeps the size of a dimension
    return op.Reshape(op.Transpose(states, perm=[0, 2, 1, 3]), [0, 0, -1])


def _reorder(op: Any, weight: Any, hidden: int, cell: str) -> Any:
    if cell not in GATES:
        return weight
    rows = np.arange(weight.shape[0]).reshape(-1, hidden)[list(GATES[cell])].flatten()
    return op.Gather(weight, rows.tolist(), axis=0)


def _stack(op: Any, directions: list[Any]) -> Any:
    return op.Concat(*(op.Unsqueeze(weight, [0]) for weight in directions), axis=0)


def _gates(op: Any, x: Any, weights: list[Any], cell: str) -> Any:
    """Return the update's logit and the candidate of each direction: ``(T, N, directions * 2 D)``."""
    gates = []
    for weight, bias in weights:
        projected = op.Add(op.MatMul(x, op.Transpose(weight, perm=[1, 0])), bias)
        if cell == "mingru":
            update, candidate = op.Split(projected, num_outputs=2, axis=2)
        else:
            forget, new, candidate = op.Split(projected, num_outputs=3, axis=2)
            # i / (f + i) = sigmoid(log i - log f), and -log sigmoid(a) = softplus(-a)
            update = op.Sub(op.Softplus(op.Neg(forget)), op.Softplus(op.Neg(new)))
        gates += [update, op.Max(op.Add(candidate, 0.5), op.Sigmoid(candidate))]
    return op.Concat(*gates, axis=2)


def _running_mean(op: Any, gates: Any, hidden: int, directions: int, shared: dict[str, Any]) -> Any:
    """Write the recurrence of the minimal cells as a GRU without recurrent weights that takes its gates from the input.

    Candidates are above 0, so that ReLU does not change them.
    """
    w = np.zeros((directions, 3 * hidden, directions * 2 * hidden), np.float32)
    unit = np.arange(hidden)
    for i in range(directions):
        w[i, unit, 2 * i * hidden + unit] = -1  # negative, because ONNX's update gate keeps the old state
        w[i, 2 * hidden + unit, (2 * i + 1) * hidden + unit] = 1
    r = np.zeros((directions, 3 * hidden, hidden), np.float32)
    constants = (op.Constant(value=need("onnx_ir").tensor(matrix)) for matrix in (w, r))
    states, _ = op.GRU(gates, *constants, activations=["Sigmoid", "Relu"] * directions, **shared)
    return states
