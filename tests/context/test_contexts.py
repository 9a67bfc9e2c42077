from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segrnn.context import ConvolutionReNet, Convolutions, ReNet, Residual, Sweep
from segrnn.ops import reference

CONTEXTS = pytest.mark.parametrize("context", [ReNet, Convolutions, ConvolutionReNet])
SIZES = pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 13)])


@CONTEXTS
@SIZES
def test_any_size_keeps_its_shape(context: Callable[..., nn.Module], size: tuple[int, int]) -> None:
    x = torch.rand(1, 6, *size)
    assert context(6, hidden=4).eval()(x).shape == x.shape


@CONTEXTS
def test_every_parameter_gets_a_gradient(context: Callable[..., nn.Module]) -> None:
    module = context(6, hidden=4)
    module(torch.rand(1, 6, 7, 5)).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@CONTEXTS
def test_saves_and_loads(context: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    one, other = context(6, hidden=4).eval(), context(6, hidden=4).eval()
    x = torch.rand(2, 6, 5, 7)
    assert not torch.equal(one(x), other(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x))


@CONTEXTS
def test_residual_starts_as_the_identity_and_then_learns(context: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    module = Residual(context(6, hidden=4), channels=6)
    x = torch.randn(2, 6, 5, 7)
    assert torch.equal(module(x), x)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    seen = set()
    for _ in range(3):
        optimizer.zero_grad()
        (module(x) - x.roll(1, dims=-1)).square().mean().backward()
        seen |= {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        optimizer.step()
    assert seen == dict(module.named_parameters()).keys()


def slow_sweep(sweep: Sweep, x: Tensor) -> Tensor:
    """The slow twin: each line on its own, each direction by the reference loop."""
    forward = [getattr(sweep.rnn, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")]
    backward = [getattr(sweep.rnn, f"{name}_reverse") for name in sweep.rnn._all_weights[0][:4]]
    if sweep.axis == 2:
        x = x.transpose(2, 3)
    rows = []
    for row in x.unbind(dim=2):  # (B, C, W)
        sequence = row.permute(2, 0, 1)
        states = torch.cat(
            [reference.gru(sequence, *forward), reference.gru(sequence.flip(0), *backward).flip(0)], dim=2
        )
        rows.append(states.permute(1, 2, 0))
    out = torch.stack(rows, dim=2)
    return out.transpose(2, 3) if sweep.axis == 2 else out


@pytest.mark.parametrize("axis", [2, 3])
@SIZES
def test_sweep_equals_its_slow_twin(axis: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    sweep = Sweep(5, 3, axis).double()
    for parameter in sweep.parameters():  # biases too
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    inputs = [x, *sweep.parameters()]
    fast, slow = sweep(x), slow_sweep(sweep, x)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(fast)
    fast_gradients = torch.autograd.grad(fast, inputs, weight)
    for a, b in zip(fast_gradients, torch.autograd.grad(slow, inputs, weight), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_transposing_the_map_swaps_the_order() -> None:
    torch.manual_seed(0)
    columns_first, rows_first = ReNet(5, hidden=3), ReNet(5, hidden=3, order="rows_columns")
    rows_first.load_state_dict(columns_first.state_dict())
    x = torch.randn(2, 5, 7, 4)
    torch.testing.assert_close(rows_first(x.transpose(2, 3)), columns_first(x).transpose(2, 3))


def test_one_renet_sees_the_whole_map() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 9, 11, requires_grad=True)
    ReNet(4, hidden=4)(x)[0, :, 4, 5].sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=1) > 0).all()


def test_initialization_is_orthogonal_per_gate_and_remembers() -> None:
    rnn = Sweep(6, 8, axis=2).rnn
    for gate in rnn.weight_hh_l0.split(8):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), rtol=0, atol=1e-5)
    reset, update, new = rnn.bias_ih_l0_reverse.split(8)
    assert (update > 0).all()
    assert not reset.any()
    assert not new.any()
    assert not rnn.bias_hh_l0.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "diagonal"}, r"order must be one of \['columns_rows', 'rows_columns'\], got 'diagonal'"),
        ({"hidden": 0}, "hidden must be at least 1, got 0"),
    ],
)
def test_bad_arguments_say_what_is_possible(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReNet(4, **arguments)
