"""The fast recurrences against their slow twins, and what breaks recurrences in practice."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from segrnn import ops
from segrnn.ops import recurrences, reference

pytestmark = pytest.mark.usefixtures("poisoned_memory")


class Pair(NamedTuple):
    fast: Callable[..., Tensor]
    slow: Callable[..., Tensor]
    gates: int
    recurrent: bool


PAIRS = [
    Pair(ops.rnn_tanh, reference.rnn_tanh, 1, True),
    Pair(ops.rnn_relu, reference.rnn_relu, 1, True),
    Pair(ops.gru, reference.gru, 3, True),
    Pair(ops.lstm, reference.lstm, 4, True),
    Pair(ops.mingru, reference.mingru, 2, False),
    Pair(ops.minlstm, reference.minlstm, 3, False),
]
EACH = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.fast.__name__)
MINIMAL = pytest.mark.parametrize("pair", PAIRS[4:], ids=lambda pair: pair.fast.__name__)


def weights(pair: Pair, directions: int = 2, c: int = 5, d: int = 3, scale: float = 0.5) -> list[list[Tensor]]:
    shapes = [(pair.gates * d, c), (pair.gates * d, d), (pair.gates * d,), (pair.gates * d,)]
    if not pair.recurrent:
        shapes = [shapes[0], shapes[2]]
    return [
        [(scale * torch.randn(shape, dtype=torch.float64)).requires_grad_() for shape in shapes]
        for _ in range(directions)
    ]


def flat(nested: list[list[Tensor]]) -> list[Tensor]:
    return [tensor for direction in nested for tensor in direction]


def assert_same(fast: Tensor, slow: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(fast)
    for a, b in zip(torch.autograd.grad(fast, inputs, weight), torch.autograd.grad(slow, inputs, weight), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@EACH
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("length", "batch"), [(1, 1), (1, 6), (7, 1), (8, 3), (21, 4)])
def test_output_and_all_gradients_equal_the_slow_twin(pair: Pair, directions: int, length: int, batch: int) -> None:
    torch.manual_seed(0)
    w = weights(pair, directions)
    x = torch.randn(length, batch, 5, dtype=torch.float64, requires_grad=True)
    inputs = [x, *flat(w)]
    assert_same(pair.fast(x, w), reference.in_directions(pair.slow, x, w), inputs)


@EACH
def test_sequences_that_are_views_of_a_map(pair: Pair) -> None:
    """A permuted map is not contiguous; neither is the gradient that comes back."""
    torch.manual_seed(0)
    w = weights(pair)
    x = torch.randn(1, 5, 9, 4, dtype=torch.float64, requires_grad=True)
    inputs = [x, *flat(w)]
    fast = ops.from_sequences(pair.fast(ops.to_sequences(x, axis=2), w), axis=2, batch=1)
    slow = ops.from_sequences(reference.in_directions(pair.slow, ops.to_sequences(x, axis=2), w), axis=2, batch=1)
    assert_same(fast, slow, inputs)


@EACH
def test_large_batches_go_in_pieces_that_change_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    w = weights(pair)
    x = torch.randn(6, 11, 5, dtype=torch.float64, requires_grad=True)
    whole = pair.fast(x, w)
    monkeypatch.setattr(recurrences, "LARGEST_BATCH", 4)
    assert_same(pair.fast(x, w), whole, [x, *flat(w)])


@EACH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_the_recurrence_in_single_precision(pair: Pair, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    w = [[tensor.detach().float().requires_grad_() for tensor in direction] for direction in weights(pair)]
    x = torch.randn(6, 4, 5).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        low = pair.fast(x, w)
    assert low.dtype == dtype
    assert torch.equal(low, pair.fast(x.float(), w).to(dtype))
    low.float().sum().backward()
    assert all(torch.isfinite(tensor.grad).all() for tensor in flat(w))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_propagation_in_single_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, affinity, kernel = torch.randn(1, 3, 30, 6).to(dtype), torch.randn(1, 4, 30, 6).to(dtype), torch.randn(3, 3, 3)
    with torch.autocast("cpu", dtype=dtype):
        propagated, passed = ops.propagate(x, affinity), ops.pass_messages(x, 0.1 * kernel)
    assert torch.equal(propagated, ops.propagate(x.float(), affinity.float()).to(dtype))
    assert torch.equal(passed, ops.pass_messages(x.float(), 0.1 * kernel).to(dtype))


@EACH
def test_half_precision_weights_work_too(pair: Pair) -> None:
    w = [[tensor.detach().bfloat16() for tensor in direction] for direction in weights(pair)]
    assert pair.fast(torch.randn(6, 4, 5).bfloat16(), w).dtype == torch.bfloat16


@EACH
def test_nan_is_not_hidden(pair: Pair) -> None:
    w = weights(pair, directions=1)
    x = torch.zeros(6, 2, 5, dtype=torch.float64)
    x[2, 0, 1] = torch.nan
    states = pair.fast(x, w)
    assert torch.isnan(states[2:, 0]).all()
    assert torch.isfinite(states[:2]).all()
    assert torch.isfinite(states[:, 1]).all()


@MINIMAL
@pytest.mark.parametrize("scale", [1.0, 4.0, 1000.0])
def test_long_and_saturated_scans_stay_finite_and_accurate(pair: Pair, scale: float) -> None:
    torch.manual_seed(0)
    w = weights(pair, scale=scale)
    x = torch.randn(2048, 2, 5, dtype=torch.float64, requires_grad=True)
    exact = reference.in_directions(pair.slow, x, w)
    if scale < 1000:  # there the twin's own quotient of two underflowing gates breaks first
        torch.testing.assert_close(pair.fast(x, w), exact, rtol=1e-10, atol=1e-10)
    single = [[tensor.detach().float().requires_grad_() for tensor in direction] for direction in w]
    x32 = x.detach().float().requires_grad_()
    states = pair.fast(x32, single)
    states.sum().backward()
    assert torch.isfinite(states).all()
    assert all(torch.isfinite(t.grad).all() for t in [x32, *flat(single)])
    if scale == 1.0:
        torch.testing.assert_close(states.double(), exact, rtol=2e-5, atol=1e-6)


@MINIMAL
def test_a_second_derivative_is_refused(pair: Pair) -> None:
    w = weights(pair)
    x = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(pair.fast(x, w).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("fast", "layer"),
    [
        (ops.rnn_tanh, nn.RNN(5, 3, bidirectional=True)),
        (ops.rnn_relu, nn.RNN(5, 3, bidirectional=True, nonlinearity="relu")),
        (ops.gru, nn.GRU(5, 3, bidirectional=True)),
        (ops.lstm, nn.LSTM(5, 3, bidirectional=True)),
    ],
)
def test_the_weights_of_torch_layers_fit(fast: Callable[..., Tensor], layer: nn.RNNBase) -> None:
    x = torch.randn(6, 4, 5)
    assert torch.equal(fast(x, layer.all_weights), layer(x)[0])
    layer.eval()
    assert torch.equal(fast(x, layer.all_weights), layer(x)[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1), (5, 7)])
def test_propagation_equals_its_slow_twin(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    affinity = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    if size[0] == 1:  # a single line is its own state
        assert torch.equal(ops.propagate(x, affinity), x)
    else:
        assert_same(ops.propagate(x, affinity), reference.propagate(x, affinity), [x, affinity])


def test_propagation_is_stable_over_many_lines() -> None:
    torch.manual_seed(0)
    x, affinity = torch.rand(1, 2, 2048, 5), 100 * torch.randn(1, 4, 2048, 5)
    states = ops.propagate(x, affinity)
    assert states.max() <= 1 + 1e-5  # a mean of values
    assert states.min() >= 0


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1), (5, 7)])
def test_messages_equal_their_slow_twin(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 3, 5, dtype=torch.float64, requires_grad=True)
    inputs = [x, kernel] if size[0] > 1 else [x]
    assert_same(ops.pass_messages(x, kernel), reference.pass_messages(x, kernel), inputs)
