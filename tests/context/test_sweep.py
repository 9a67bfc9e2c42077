"""Sweeps: exactness, symmetries, initialisation, and life with copies and compilers."""

import copy

import pytest
import torch
from randomized import randomized
from torch import Tensor, nn

from segrnn.context import LRNN, FourDirectionIRNN, ParallelSweeps, ReNet, Sweep
from segrnn.context.cells import CELLS
from segrnn.context.sweep import in_one_piece
from segrnn.ops import reference

pytestmark = pytest.mark.usefixtures("poisoned_memory")

SIZES = pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 13)])
CELL = pytest.mark.parametrize("cell", CELLS)
TWINS = {
    "rnn": reference.rnn_tanh,
    "irnn": reference.rnn_relu,
    "gru": reference.gru,
    "lstm": reference.lstm,
    "mingru": reference.mingru,
    "minlstm": reference.minlstm,
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def slow_sweep(sweep: Sweep, x: Tensor) -> Tensor:
    """The slow twin: each line on its own, each direction by the reference loop."""
    x = x.mT if sweep.axis == 2 else x
    rows = []
    for row in x.unbind(dim=2):  # (B, C, W)
        row = row.flip(2) if sweep.directions == "backward" else row
        states = reference.in_directions(TWINS[sweep_cell(sweep)], row.permute(2, 0, 1), sweep.rnn.all_weights)
        if sweep.directions == "both" and sweep.merge == "sum":
            forward, backward = states.chunk(2, dim=2)
            states = forward + backward
        states = states.permute(1, 2, 0)
        rows.append(states.flip(2) if sweep.directions == "backward" else states)
    out = torch.stack(rows, dim=2)
    return out.mT if sweep.axis == 2 else out


def sweep_cell(sweep: Sweep) -> str:
    return next(name for name, cell in CELLS.items() if cell is sweep.cell)


def assert_same(fast: Tensor, slow: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    weight = torch.randn_like(fast)
    for a, b in zip(torch.autograd.grad(fast, inputs, weight), torch.autograd.grad(slow, inputs, weight), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@CELL
@SIZES
@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(
    ("directions", "merge"),
    [("both", "concatenate"), ("both", "sum"), ("forward", "concatenate"), ("backward", "concatenate")],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_sweep_equals_its_slow_twin(
    cell: str, size: tuple[int, int], axis: int, directions: str, merge: str, batch: int
) -> None:
    sweep = randomized(Sweep(5, 3, axis, cell, directions, merge))
    x = torch.randn(batch, 5, *size, dtype=torch.float64, requires_grad=True)
    fast = sweep(x)
    assert fast.shape == (batch, sweep.out_channels, *size)
    assert_same(fast, slow_sweep(sweep, x), [x, *sweep.parameters()])


@CELL
@SIZES
def test_renet_equals_its_equations(cell: str, size: tuple[int, int]) -> None:
    renet = randomized(ReNet(5, hidden=3, cell=cell, depth=2))
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    y = x
    for sweep in renet.sweeps:
        y = slow_sweep(sweep, y)
    assert [sweep.axis for sweep in renet.sweeps] == [2, 3, 2, 3]
    slow = torch.einsum("dc,bchw->bdhw", renet.project.weight[:, :, 0, 0], y)
    assert_same(renet(x), slow, [x, *renet.parameters()])


@CELL
@pytest.mark.parametrize("depth", [1, 2])
def test_transposing_the_map_swaps_the_order(cell: str, depth: int) -> None:
    columns_first = randomized(ReNet(5, hidden=3, cell=cell, depth=depth))
    rows_first = ReNet(5, hidden=3, cell=cell, order="rows_columns", depth=depth).double()
    rows_first.load_state_dict(columns_first.state_dict())
    x = torch.randn(2, 5, 7, 4, dtype=torch.float64)
    torch.testing.assert_close(rows_first(x.mT), columns_first(x).mT, rtol=1e-12, atol=1e-12)


@CELL
@pytest.mark.parametrize("axis", [2, 3])
def test_flipping_the_axis_exchanges_the_directions(cell: str, axis: int) -> None:
    sweep, exchanged = randomized(Sweep(5, 3, axis, cell)), Sweep(5, 3, axis, cell).double()
    swapped = {}
    for name, value in sweep.state_dict().items():
        swapped[name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"] = value
    exchanged.load_state_dict(swapped)
    x = torch.randn(2, 5, 7, 6, dtype=torch.float64)
    forward, backward = sweep(x.flip(axis)).flip(axis).chunk(2, dim=1)
    torch.testing.assert_close(exchanged(x), torch.cat([backward, forward], dim=1), rtol=1e-12, atol=1e-12)


def test_patches_are_the_steps() -> None:
    """A ReNet of 2 x 2 patches is a ReNet of 4 C channels on the unshuffled map."""
    patched = randomized(ReNet(3, hidden=4, patch=2))
    plain = ReNet(12, hidden=4).double()
    plain.load_state_dict(patched.state_dict())
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    expected = nn.functional.pixel_shuffle(plain(nn.functional.pixel_unshuffle(x, 2)), 2)
    assert torch.equal(patched(x), expected)
    padded = torch.zeros(2, 3, 8, 8, dtype=torch.float64)
    padded[:, :, :7, :5] = x[:, :, :6].new_tensor(torch.randn(2, 3, 7, 5).tolist())
    assert torch.equal(patched(padded[:, :, :7, :5])[..., :7, :5], patched(padded[..., :6])[..., :7, :5])


def test_a_patch_larger_than_the_map_is_refused() -> None:
    with pytest.raises(ValueError, match="a patch of 4 x 4 is larger than the map of 3 x 9"):
        ReNet(3, hidden=4, patch=4)(torch.rand(1, 3, 3, 9))


def test_ion_equals_its_equation() -> None:
    module = randomized(FourDirectionIRNN(4, hidden=3, depth=1))
    layer = module.layers[0]
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    shared = layer.shared(x)

    def rightwards(h: Tensor, weight: Tensor) -> Tensor:
        columns: list[Tensor] = []
        for j in range(h.shape[3]):
            before = columns[-1] @ weight.T if columns else 0
            columns.append(torch.relu(before + h[..., j].transpose(1, 2)))  # (B, H, D)
        return torch.stack(columns, dim=3).transpose(1, 2)

    down, up = layer.columns.parameters()
    right, left = layer.rows.parameters()
    states = [
        rightwards(shared.mT, down).mT,
        rightwards(shared.mT.flip(3), up).flip(3).mT,
        rightwards(shared, right),
        rightwards(shared.flip(3), left).flip(3),
    ]
    slow = torch.einsum("dc,bchw->bdhw", layer.mix.weight[:, :, 0, 0], torch.cat(states, dim=1))
    assert_same(module(x), slow, [x, *module.parameters()])


def test_lrnn_starts_without_recurrence() -> None:
    module = LRNN(4, hidden=3).eval()
    x = torch.rand(1, 4, 6, 5, requires_grad=True)
    module(x)[0, :, 3, 2].sum().backward()
    assert x.grad is not None
    assert (x.grad[0].abs().sum(dim=0) > 0).nonzero().tolist() == [[3, 2]]


def test_parallel_sweeps_equal_their_equation() -> None:
    module = randomized(ParallelSweeps(4, hidden=3, cell="lstm"))
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    both = torch.cat([slow_sweep(module.columns, x), slow_sweep(module.rows, x)], dim=1)
    slow = torch.einsum("dc,bchw->bdhw", module.project.weight[:, :, 0, 0], both)
    assert_same(module(x), slow, [x, *module.parameters()])


@pytest.mark.parametrize(
    ("cell", "layer"),
    [("rnn", nn.RNN), ("irnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)],
)
def test_state_dicts_load_both_ways(cell: str, layer: type[nn.RNNBase]) -> None:
    options = {"nonlinearity": "relu"} if cell == "irnn" else {}
    theirs, ours = layer(5, 3, bidirectional=True, **options), Sweep(5, 3, axis=3, cell=cell)
    x = torch.randn(2, 5, 1, 7)
    ours.rnn.load_state_dict(theirs.state_dict())
    expected, _ = theirs(x[:, :, 0].permute(2, 0, 1))
    torch.testing.assert_close(ours(x)[:, :, 0].permute(2, 0, 1), expected)
    theirs.load_state_dict(Sweep(5, 3, axis=2, cell=cell).rnn.state_dict())


def test_initialization_is_orthogonal_per_gate_and_remembers() -> None:
    gru, lstm, irnn, mingru, minlstm = (
        Sweep(6, 8, 2, cell).rnn for cell in ("gru", "lstm", "irnn", "mingru", "minlstm")
    )
    for gate in (*gru.weight_hh_l0.split(8), *lstm.weight_hh_l0_reverse.split(8)):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), rtol=0, atol=1e-5)
    assert torch.equal(irnn.weight_hh_l0, torch.eye(8))
    reset, update, new = gru.bias_ih_l0_reverse.split(8)
    assert (update > 0).all()
    assert not reset.any()
    assert not new.any()
    assert not gru.bias_hh_l0.any()
    total = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert total.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16  # input, forget, cell, output
    bound = (6 / (6 + 8)) ** 0.5  # Glorot and Bengio 2010, of one gate
    assert 0.8 * bound < gru.weight_ih_l0.abs().max() <= bound
    keep = 1 - torch.sigmoid(mingru.bias_ih_l0.split(8)[0])
    assert (keep > 0.5).all()
    forget, new, _ = torch.sigmoid(minlstm.bias_ih_l0).split(8)
    assert (forget / (forget + new) > 0.5).all()


def test_a_channels_last_map_stays_one() -> None:
    for axis in (2, 3):
        sweep, x = Sweep(5, 3, axis), torch.rand(2, 5, 6, 7)
        assert sweep(x).is_contiguous()
        assert sweep(x.to(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)


def test_torn_weights_are_noticed() -> None:
    """cuDNN wants one storage; `Sweep` calls flatten_parameters on a GPU where that is not so."""
    sweep = Sweep(5, 3, axis=2)
    assert not in_one_piece(sweep.rnn)  # never on a GPU, never flattened
    copied = copy.deepcopy(sweep)
    x = torch.rand(1, 5, 4, 4)
    assert torch.equal(copied(x), sweep(x))
    averaged = torch.optim.swa_utils.AveragedModel(sweep)
    averaged.update_parameters(copied)
    assert torch.equal(averaged(x), sweep(x))
    storage = torch.zeros(sum(parameter.numel() for parameter in sweep.rnn.parameters()))
    start = 0
    for parameter in sweep.rnn.parameters():
        parameter.data = storage[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()
    assert in_one_piece(sweep.rnn)


@CELL
def test_other_channels_are_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"a context needs a map \(B, 5, H, W\) with no side of 0, got \(1, 4, 6, 6\)"):
        Sweep(5, 3, axis=2, cell=cell)(torch.rand(1, 4, 6, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": 1}, "axis must be one of 2, 3; got 1"),
        ({"axis": 2, "cell": "grux"}, "cell must be one of rnn, irnn, gru, lstm, mingru, minlstm; got 'grux'"),
        ({"axis": 2, "merge": "mean"}, "merge must be one of concatenate, sum; got 'mean'"),
        ({"axis": 2, "directions": "up"}, "directions must be one of both, forward, backward; got 'up'"),
    ],
)
def test_bad_arguments_say_what_is_possible(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sweep(4, 3, **arguments)
