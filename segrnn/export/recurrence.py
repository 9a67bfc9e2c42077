"""An operator for recurrences in traced graphs. Tracing unrolls torch's own, which fixes the length of sequences."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from segrnn import ops

CELLS = {
    "rnn_tanh": ops.rnn_tanh,
    "rnn_relu": ops.rnn_relu,
    "gru": ops.gru,
    "lstm": ops.lstm,
    "mingru": ops.mingru,
    "minlstm": ops.minlstm,
}
NAMES = {function: name for name, function in CELLS.items()}


@torch.library.custom_op("segrnn::recurrence", mutates_args=())
def recurrence(x: Tensor, weights: list[Tensor], directions: int, cell: str) -> Tensor:
    """Run the recurrence of `segrnn.ops` with the given name: ``(T, N, C) -> (T, N, D or 2 D)``.

    Args:
        x: sequences, time first.
        weights: the weights of the first direction, then those of the second.
        directions: the number of directions, 1 or 2.
        cell: the name, a key of `CELLS`.
    """
    number = len(weights) // directions
    return CELLS[cell](x, [weights[i * number : (i + 1) * number] for i in range(directions)])


@recurrence.register_fake
def _(x: Tensor, weights: list[Tensor], directions: int, cell: str) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], directions * hidden_size(weights[0].shape[0], cell))


def hidden_size(rows: int, cell: str) -> int:
    """Return D from the number of rows in a cell's first matrix, which has D rows for each gate."""
    return rows // {"gru": 3, "lstm": 4, "mingru": 2, "minlstm": 3}.get(cell, 1)


class AsOperators(TorchFunctionMode):
    """A mode that replaces functions that can't be traced for any size by equivalent ones that can."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace recurrences by the operator, and means over bins by matrix products."""
        kwargs = kwargs or {}
        if func in NAMES:
            x, directions = args
            return recurrence(x, [weight for own in directions for weight in own], len(directions), NAMES[func])
        if func is F.adaptive_avg_pool2d:
            return _pool(*args, **kwargs)
        return func(*args, **kwargs)


def _pool(input: Tensor, output_size: int | Sequence[int]) -> Tensor:  # named as torch names its arguments
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    if rows == columns == 1:
        return F.adaptive_avg_pool2d(input, 1)  # a plain mean, which every exporter knows
    return _bins(input.shape[2], rows) @ input @ _bins(input.shape[3], columns).mT


def _bins(length: int, number: int) -> Tensor:
    """Return the matrix ``(number, length)`` that takes means over the bins of torch's adaptive pooling."""
    bins, positions = torch.arange(number)[:, None], torch.arange(length)
    first, behind = bins * length // number, ((bins + 1) * length + number - 1) // number
    return ((positions >= first) & (positions < behind)) / (behind - first)
