"""The lateral sweep against plain loops over lines and positions, and how far it reaches."""

import pytest
import torch
from randomized import randomized
from torch import Tensor, nn

from segrnn.context import LateralSweep
from segrnn.context.lateral_sweep import LateralSteps

CHANNELS, HIDDEN = 5, 4
DIRECTIONS = {"down": (2, False), "up": (2, True), "right": (3, False), "left": (3, True)}
DIRECTION = pytest.mark.parametrize("direction", DIRECTIONS)
SIZES = pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (7, 13), (33, 40)])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def positive_only(module: nn.Module) -> nn.Module:
    """In double precision, without biases: messages of a positive map are positive, so nothing cancels out."""
    for parameter in module.double().parameters():
        nn.init.uniform_(parameter, 0.1, 0.5) if parameter.ndim > 1 else nn.init.zeros_(parameter)
    return module


def slow_convolution(weight: Tensor, lines: Tensor) -> Tensor:
    """Multiply each position of lines ``(B, D, N, L)`` and its neighbours by a weight ``(D, D, kernel)``."""
    kernel, length = weight.shape[2], lines.shape[3]
    positions = []
    for position in range(length):
        total = torch.zeros_like(lines[..., 0])
        for k in range(kernel):
            neighbour = position + k - kernel // 2
            if 0 <= neighbour < length:
                total = total + torch.einsum("dc,bcn->bdn", weight[:, :, k], lines[..., neighbour])
        positions.append(total)
    return torch.stack(positions, dim=3)


def slow_steps(steps: LateralSteps, x: Tensor, axis: int, reverse: bool) -> Tensor:
    """The slow twin of one direction: lines are lists, and each message is added by itself."""
    gates = slow_lines(torch.sigmoid(slow_pointwise(steps.gate, x)), axis, reverse)
    lines = slow_lines(x, axis, reverse)
    for step, message in enumerate(steps.messages):
        convolved = slow_convolution(message.weight.squeeze(axis), torch.stack(lines, dim=2))
        messages, distance = convolved.clamp(min=0).unbind(dim=2), 2**step
        lines = [line if i < distance else line + gates[i] * messages[i - distance] for i, line in enumerate(lines)]
    return torch.stack(lines[::-1] if reverse else lines, dim=axis)


def slow_lines(x: Tensor, axis: int, reverse: bool) -> list[Tensor]:
    """The lines ``(B, D, L)`` of a map, in the order of the sweep."""
    lines = list(x.unbind(axis))
    return lines[::-1] if reverse else lines


def slow_pointwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Multiply the channels of ``(B, C, ...)`` by a layer's matrix."""
    y = torch.einsum("dc,bc...->bd...", layer.weight[:, :, 0, 0], x)
    return y if layer.bias is None else y + layer.bias.view(-1, *[1] * (x.ndim - 2))


def slow_sweep(sweep: LateralSweep, x: Tensor) -> Tensor:
    x = slow_pointwise(sweep.reduce, x)
    for name, (axis, reverse) in DIRECTIONS.items():
        x = slow_steps(getattr(sweep, name), x, axis, reverse)
    return slow_pointwise(sweep.project, x)


def reached(start: set[tuple[int, int]], direction: str, size: tuple[int, int], kernel: int, steps: int) -> set:
    """The positions that a sum of the distances 1, 2, 4, ... leads to. Each distance is taken at most once."""
    axis, reverse = DIRECTIONS[direction]
    found = set()
    for row, column in start:
        for distance in range(2**steps):
            aside = kernel // 2 * distance.bit_count()  # one convolution for each of its powers of two
            along = -distance if reverse else distance
            for offset in range(-aside, aside + 1):
                found.add((row + along, column + offset) if axis == 2 else (row + offset, column + along))
    return {(row, column) for row, column in found if 0 <= row < size[0] and 0 <= column < size[1]}


def bright(y: Tensor) -> set[tuple[int, int]]:
    """The positions at which any channel of a map of one image differs from zero."""
    return {(row, column) for row, column in y[0].ne(0).any(dim=0).nonzero().tolist()}


@SIZES
@pytest.mark.parametrize(("kernel", "steps"), [(3, 3), (5, 2), (1, 6)])
def test_output_and_gradients_are_those_of_plain_loops(size: tuple[int, int], kernel: int, steps: int) -> None:
    sweep = randomized(LateralSweep(CHANNELS, HIDDEN, kernel, steps), std=0.3)
    x = torch.randn(2, CHANNELS, *size, dtype=torch.float64, requires_grad=True)
    fast, slow = sweep(x), slow_sweep(sweep, x)
    inputs = [x, *sweep.parameters()]
    weight = torch.randn_like(fast)
    pairs = [(fast, slow)]
    pairs += zip(
        torch.autograd.grad((fast * weight).sum(), inputs),
        torch.autograd.grad((slow * weight).sum(), inputs, materialize_grads=True),  # some steps reach no line
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * max(1.0, other.abs().max().item()))


@DIRECTION
@pytest.mark.parametrize("size", [(1, 1), (6, 5), (9, 31), (40, 40)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_one_direction_reaches_what_the_sum_of_steps_allows(direction: str, size: tuple[int, int], kernel: int) -> None:
    axis, reverse = DIRECTIONS[direction]
    steps = positive_only(LateralSteps(HIDDEN, kernel, 3, axis, reverse))
    corners = {(row, column) for row in (0, size[0] // 2, size[0] - 1) for column in (0, size[1] // 2, size[1] - 1)}
    for row, column in corners:
        x = torch.zeros(1, HIDDEN, *size, dtype=torch.float64)
        x[0, :, row, column] = 1
        assert bright(steps(x)) == reached({(row, column)}, direction, size, kernel, steps=3)


@pytest.mark.parametrize("position", [(0, 0), (0, 59), (20, 31), (49, 0), (49, 59)])
def test_all_directions_reach_what_the_sum_of_steps_allows(position: tuple[int, int]) -> None:
    sweep = positive_only(LateralSweep(CHANNELS, HIDDEN, kernel=3, steps=3))
    x = torch.zeros(1, CHANNELS, 50, 60, dtype=torch.float64)
    x[0, :, *position] = 1
    expected = {position}
    for direction in DIRECTIONS:
        expected = reached(expected, direction, (50, 60), kernel=3, steps=3)
    assert len(expected) < 50 * 60  # the map is so large that wrapping around would show
    assert bright(sweep(x)) == expected


@DIRECTION
def test_nothing_comes_from_beyond_the_border(direction: str) -> None:
    axis, reverse = DIRECTIONS[direction]
    steps = randomized(LateralSteps(HIDDEN, 3, 4, axis, reverse), std=0.3)
    x = torch.randn(1, HIDDEN, 6, 7, dtype=torch.float64)
    shape = list(x.shape)
    shape[axis] = 20
    beyond = torch.zeros(shape, dtype=torch.float64)
    longer = steps(torch.cat([x, beyond] if reverse else [beyond, x], dim=axis))
    cropped = longer.narrow(axis, 0 if reverse else 20, x.shape[axis])
    torch.testing.assert_close(steps(x), cropped, rtol=1e-12, atol=1e-12)

    first = x.shape[axis] - 1 if reverse else 0
    assert torch.equal(steps(x).select(axis, first), x.select(axis, first))


@DIRECTION
def test_a_line_does_not_depend_on_those_behind_it(direction: str) -> None:
    axis, reverse = DIRECTIONS[direction]
    steps = randomized(LateralSteps(HIDDEN, 3, 3, axis, reverse), std=0.3)
    x = torch.randn(1, HIDDEN, 20, 20, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(steps(x).select(axis, 10).sum(), x)
    seen = gradient.abs().amax(dim=(1, 5 - axis)).squeeze(0).nonzero().flatten().tolist()
    assert seen == (list(range(10, 18)) if reverse else list(range(3, 11)))  # 2^3 - 1 lines and itself


def test_a_map_without_features_has_no_messages() -> None:
    sweep = randomized(LateralSweep(CHANNELS, HIDDEN), std=0.3)
    nn.init.zeros_(sweep.reduce.bias)
    assert sweep(torch.zeros(1, CHANNELS, 8, 9, dtype=torch.float64)).count_nonzero() == 0


def test_a_turned_map_with_turned_weights_gives_the_turned_result() -> None:
    """Columns and rows take the same form, and so do both ways along them."""
    x = torch.randn(1, HIDDEN, 11, 6, dtype=torch.float64)
    down = randomized(LateralSteps(HIDDEN, 3, 3, axis=2, reverse=False), std=0.3)
    for axis, reverse in list(DIRECTIONS.values())[1:]:
        other = LateralSteps(HIDDEN, 3, 3, axis, reverse).double()
        weights = {
            name: weight.mT if axis == 3 and name.startswith("messages") else weight
            for name, weight in down.state_dict().items()
        }
        other.load_state_dict(weights)
        turned = x.mT if axis == 3 else x
        turned = turned.flip(axis) if reverse else turned
        back = other(turned).flip(axis) if reverse else other(turned)
        torch.testing.assert_close(back.mT if axis == 3 else back, down(x), rtol=1e-12, atol=1e-12)


def test_gates_at_twenty_times_their_scale_stay_finite() -> None:
    sweep = LateralSweep(CHANNELS, HIDDEN, kernel=3)
    for name, parameter in sweep.named_parameters():
        if "gate" in name:
            parameter.data *= 20
    x = torch.randn(2, CHANNELS, 50, 60, requires_grad=True)
    y = sweep(x)
    gradients = torch.autograd.grad(y.square().mean(), [x, *sweep.parameters()])
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_gradients_are_those_of_finite_differences() -> None:
    sweep = randomized(LateralSweep(2, 2, kernel=3, steps=2), std=0.3)
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in sweep.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(sweep, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(run, (x, *sweep.parameters()))
