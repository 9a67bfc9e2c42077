"""One matrix for every context: whoever adds one adds a line to CONTEXTS, and inherits every test of this file."""

import io
from collections.abc import Callable

import pytest
import torch
from torch import nn

import segrnn.context
from segrnn.context import (
    ASPP,
    LRNN,
    SCNN,
    SPN,
    AxialAttention,
    AxialDecay,
    Convolutions,
    CoordinateConvolutions,
    CrissCrossAttention,
    DilatedConvolutions,
    FourDirectionIRNN,
    LateralSweep,
    LocalGlobal,
    NarrowReNet,
    ParallelSweeps,
    PyramidPooling,
    ReNet,
    Residual,
    SelfAttention,
    StripPooling,
)
from segrnn.context.cells import CELLS
from segrnn.errors import ShapeError

pytestmark = pytest.mark.usefixtures("poisoned_memory")

CHANNELS = 12
Make = Callable[[], nn.Module]
CONTEXTS: dict[str, Make] = {
    "convolutions": lambda: Convolutions(CHANNELS, hidden=8),
    "coordinate_convolutions": lambda: CoordinateConvolutions(CHANNELS, hidden=8),
    "dilated_convolutions": lambda: DilatedConvolutions(CHANNELS, hidden=8, rates=(1, 2, 3)),
    **{f"renet_{cell}": lambda cell=cell: ReNet(CHANNELS, hidden=8, cell=cell) for cell in CELLS},
    "renet_rows_first": lambda: ReNet(CHANNELS, hidden=8, order="rows_columns"),
    "renet_deep": lambda: ReNet(CHANNELS, hidden=8, depth=2),
    "narrow_renet": lambda: NarrowReNet(CHANNELS, width=6, hidden=4),
    "narrow_renet_gru": lambda: NarrowReNet(CHANNELS, width=8, hidden=8, cell="gru", order="columns_rows"),
    "local_global": lambda: LocalGlobal(CHANNELS, hidden=8),
    "local_global_depthwise": lambda: LocalGlobal(CHANNELS, hidden=8, depthwise=True),
    "parallel_sweeps": lambda: ParallelSweeps(CHANNELS, hidden=8),
    "four_direction_irnn": lambda: FourDirectionIRNN(CHANNELS, hidden=8),
    "lrnn": lambda: LRNN(CHANNELS, hidden=8),
    "spn": lambda: SPN(CHANNELS, hidden=8),
    "scnn": lambda: SCNN(CHANNELS, hidden=8, kernel=3),
    "pyramid_pooling": lambda: PyramidPooling(CHANNELS, hidden=8),
    "aspp": lambda: ASPP(CHANNELS, hidden=8, rates=(1, 2, 3)),
    "strip_pooling": lambda: StripPooling(CHANNELS, hidden=8),
    "criss_cross_attention": lambda: CrissCrossAttention(CHANNELS, hidden=8),
    "axial_attention": lambda: AxialAttention(CHANNELS, hidden=8),
    "axial_decay": lambda: AxialDecay(CHANNELS, hidden=8),
    "axial_decay_fixed": lambda: AxialDecay(CHANNELS, hidden=8, gates="fixed"),
    "lateral_sweep": lambda: LateralSweep(CHANNELS, hidden=8, kernel=3, steps=3),
    "self_attention": lambda: SelfAttention(CHANNELS, hidden=8),
}
EACH = pytest.mark.parametrize("make", CONTEXTS.values(), ids=CONTEXTS.keys())
SIZES = pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 13)])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1)


def test_no_context_is_missing_here() -> None:
    here = {type(make()).__name__ for make in CONTEXTS.values()}
    assert here == set(segrnn.context.__all__) - {"Residual", "Sweep"}


@EACH
@SIZES
def test_any_size_keeps_its_shape(make: Make, size: tuple[int, int]) -> None:
    x = torch.rand(1, CHANNELS, *size)
    y = make().eval()(x)
    assert y.shape == x.shape
    assert torch.isfinite(y).all()


@EACH
@pytest.mark.parametrize(
    "shape", [(0, CHANNELS, 5, 7), (1, CHANNELS, 0, 7), (2, CHANNELS, 5, 0), (1, CHANNELS + 1, 5, 7)]
)
def test_empty_maps_and_other_channels_are_refused_alike(make: Make, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"a context needs a map \(B, \d+, H, W\) with no side of 0, got \("):
        make()(torch.zeros(shape))


@EACH
def test_a_batch_of_one_trains(make: Make) -> None:
    module = make().train()
    module(torch.rand(1, CHANNELS, 7, 5)).square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())


@EACH
def test_every_parameter_gets_a_gradient(make: Make) -> None:
    module = make().train()
    x = torch.randn(2, CHANNELS, 7, 5, requires_grad=True)
    module(x).square().sum().backward()
    assert x.grad is not None
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-6, name


@EACH
def test_images_of_a_batch_do_not_mix_in_evaluation(make: Make) -> None:
    module = make().eval()
    x = torch.rand(3, CHANNELS, 6, 5)
    alone = torch.cat([module(image) for image in x.split(1)])
    torch.testing.assert_close(module(x), alone, rtol=1e-4, atol=1e-5)


@EACH
def test_bfloat16_autocast(make: Make) -> None:
    module = make().train()
    x = torch.rand(2, CHANNELS, 7, 5)
    exact = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = module(x)
    torch.testing.assert_close(y.float(), exact, rtol=0.1, atol=0.05 * exact.abs().max().item())
    y.float().square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


@EACH
def test_saves_and_loads(make: Make) -> None:
    one, other = make().eval(), make().eval()
    x = torch.rand(2, CHANNELS, 6, 5)
    assert not torch.equal(one(x), other(x))
    buffer = io.BytesIO()
    torch.save(one.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(one(x), other(x))


@pytest.mark.slow
@EACH
def test_exports_at_a_fixed_size(make: Make) -> None:
    module, x = make().eval(), torch.rand(1, CHANNELS, 6, 5)
    exported = torch.export.export(module, (x,)).module()
    torch.testing.assert_close(exported(x), module(x))


@EACH
def test_layout_in_memory_changes_nothing(make: Make) -> None:
    module, x = make().eval(), torch.rand(2, CHANNELS, 6, 5)
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(last), module(x), rtol=1e-4, atol=1e-5)
    branch = Residual(module, CHANNELS).eval()
    assert branch(last).is_contiguous(memory_format=torch.channels_last)
    assert branch(x).is_contiguous()


@EACH
def test_nan_is_not_hidden(make: Make) -> None:
    x = torch.rand(1, CHANNELS, 6, 5)
    x[0, 3, 2, 4] = torch.nan
    assert torch.isnan(make().eval()(x)[0, :, 2, 4]).all()


@EACH
def test_residual_starts_as_the_identity_and_then_learns(make: Make) -> None:
    module = Residual(make(), CHANNELS)
    x = torch.randn(2, CHANNELS, 7, 5)
    assert torch.equal(module(x), x)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    seen = set()
    for _ in range(3):
        optimizer.zero_grad()
        (module(x) - x.abs()).square().mean().backward()
        seen |= {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 1e-9}
        optimizer.step()
    assert seen == dict(module.named_parameters()).keys()


@EACH
def test_a_frozen_context_in_evaluation_passes_gradients_on(make: Make) -> None:
    module = make().eval().requires_grad_(False)
    x = torch.rand(1, CHANNELS, 6, 5, requires_grad=True)
    module(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@EACH
def test_other_channels_are_refused(make: Make) -> None:
    with pytest.raises((ValueError, RuntimeError), match="12|11"):
        make()(torch.rand(1, CHANNELS - 1, 6, 5))


WHOLE_MAP = ["renet_gru", "renet_mingru", "local_global", "four_direction_irnn", "scnn", "pyramid_pooling", "aspp"]
WHOLE_MAP += ["criss_cross_attention", "axial_attention", "axial_decay", "axial_decay_fixed", "lateral_sweep"]
WHOLE_MAP += ["self_attention"]


@pytest.mark.parametrize("name", WHOLE_MAP)
def test_one_position_sees_the_whole_map(name: str) -> None:
    x = torch.randn(1, CHANNELS, 9, 11, requires_grad=True)
    CONTEXTS[name]().eval()(x)[0, :, 4, 5].sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("name", ["parallel_sweeps", "strip_pooling"])
def test_one_position_sees_its_row_and_its_column(name: str) -> None:
    x = torch.randn(1, CHANNELS, 9, 11, requires_grad=True)
    CONTEXTS[name]().eval()(x)[0, :, 4, 5].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(dim=0) > 0
    assert seen[4].all()
    assert seen[:, 5].all()
    assert not seen[0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReNet(4, order="diagonal"), "order must be one of columns_rows, rows_columns; got 'diagonal'"),
        (lambda: ReNet(4, cell="gnu"), "cell must be one of rnn, irnn, gru, lstm, mingru, minlstm; got 'gnu'"),
        (lambda: ReNet(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: ReNet(4, hidden=-3), "hidden must be a whole number of at least 1, got -3"),
        (lambda: ReNet(4, hidden=2.5), "hidden must be a whole number of at least 1, got 2.5"),
        (lambda: ReNet(4, depth=0), "depth must be a whole number of at least 1, got 0"),
        (lambda: ReNet(4, patch=0), "patch must be a whole number of at least 1, got 0"),
        (lambda: ReNet(0), "channels must be a whole number of at least 1, got 0"),
        (lambda: LocalGlobal(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: Convolutions(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: CoordinateConvolutions(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: DilatedConvolutions(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: DilatedConvolutions(4, rates=(1,)), r"rates must have two numbers or more, got \[1\]"),
        (lambda: DilatedConvolutions(4, rates=(1, 0)), "rates must be a whole number of at least 1, got 0"),
        (lambda: ParallelSweeps(4, cell="x"), "cell must be one of"),
        (lambda: FourDirectionIRNN(4, depth=0), "depth must be a whole number of at least 1, got 0"),
        (lambda: SCNN(4, kernel=4), "kernel must be odd, got 4"),
        (
            lambda: PyramidPooling(3),
            r"sizes=\[1, 2, 3, 6\] must hold at least one size, and at most as many as channels=3",
        ),
        (lambda: ASPP(4, rates=(1, 2)), r"rates must be three dilations, got \[1, 2\]"),
        (lambda: SelfAttention(4, hidden=6, heads=4), "hidden=6 can't be divided into heads=4"),
        (lambda: AxialAttention(4, heads=0), "heads must be a whole number of at least 1, got 0"),
        (lambda: AxialDecay(4, hidden=6, heads=4), "hidden=6 can't be divided into heads=4"),
        (lambda: AxialDecay(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: AxialDecay(4, heads=0), "heads must be a whole number of at least 1, got 0"),
        (lambda: AxialDecay(4, keys=0), "keys must be a whole number of at least 1, got 0"),
        (lambda: AxialDecay(4, gates="x"), "gates must be one of selective, fixed; got 'x'"),
        (lambda: LateralSweep(4, kernel=4), "kernel must be odd, got 4"),
        (lambda: LateralSweep(4, steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: LateralSweep(4, hidden=0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: CrissCrossAttention(4, rounds=0), "rounds must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_arguments_say_what_is_possible(make: Make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
