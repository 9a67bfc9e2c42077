"""Attention with decay against plain loops over pairs of positions."""

import math

import pytest
import torch
from randomized import randomized
from torch import Tensor, nn

from segrnn.context import AxialDecay
from segrnn.context.axial_decay import LONGEST_MEMORY, DecayingAttention, sum_between

CHANNELS, HIDDEN, HEADS, KEYS = 5, 6, 2, 4
GATES = pytest.mark.parametrize("gates", ["selective", "fixed"])
SIZES = pytest.mark.parametrize(
    "size", [(1, 1), (1, 9), (9, 1), (7, 13), pytest.param((33, 40), marks=pytest.mark.thorough)]
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def slow_sum_between(forward: Tensor, backward: Tensor, i: int, j: int) -> Tensor:
    """D_ij, from logarithms of the decays ``(T, ...)``."""
    return forward[j + 1 : i + 1].sum(dim=0) + backward[i:j].sum(dim=0)


def slow_attention(attention: DecayingAttention, lines: Tensor) -> Tensor:
    """The slow twin along lines ``(T, N, D)``: one position after the other, each with every other position."""
    heads, (keys, _, values) = attention.heads, attention.sizes
    projected = (lines @ attention.project.weight.T).unflatten(2, (heads, 2 * keys + values))
    query, key, value = projected[..., :keys], projected[..., keys : 2 * keys], projected[..., 2 * keys :]
    logits = attention.decays.expand(*lines.shape[:2], -1)
    if attention.gates is not None:
        logits = logits + lines @ attention.gates.weight.T
    decays = 1 / (1 + torch.exp(-logits))
    forward, backward = decays[..., :heads].log(), decays[..., heads:].log()

    out = []
    for i in range(len(lines)):
        weights = [
            torch.exp((query[i] * key[j]).sum(dim=-1) / math.sqrt(keys) + slow_sum_between(forward, backward, i, j))
            for j in range(len(lines))
        ]
        total = sum(weight.unsqueeze(-1) * value[j] for j, weight in enumerate(weights)) / sum(weights).unsqueeze(-1)
        out.append(total.flatten(1) @ attention.out.weight.T)
    return torch.stack(out)


def slow_context(context: AxialDecay, x: Tensor) -> Tensor:
    """The columns of each image, and then the rows, with one position's channels as a row of a matrix."""
    y = x.movedim(1, 3) @ context.reduce.weight[:, :, 0, 0].T + context.reduce.bias  # (B, H, W, D)
    images = []
    for image in y:
        columns = image + slow_attention(context.columns, image)  # steps are rows of the map, lines are its columns
        rows = columns.transpose(0, 1)
        images.append((rows + slow_attention(context.rows, rows)).transpose(0, 1))
    return (torch.stack(images) @ context.project.weight[:, :, 0, 0].T).movedim(3, 1)


@GATES
@SIZES
def test_output_and_gradients_are_those_of_plain_loops(gates: str, size: tuple[int, int]) -> None:
    context = randomized(AxialDecay(CHANNELS, HIDDEN, HEADS, KEYS, gates))
    x = torch.randn(2, CHANNELS, *size, dtype=torch.float64, requires_grad=True)
    fast, slow = context(x), slow_context(context, x)
    inputs = [x, *context.parameters()]
    weight = torch.randn_like(fast)
    pairs = [(fast, slow)]
    pairs += zip(
        torch.autograd.grad((fast * weight).sum(), inputs),
        torch.autograd.grad((slow * weight).sum(), inputs, materialize_grads=True),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * max(1.0, other.abs().max().item()))


def test_sums_between_positions_are_those_of_a_double_loop() -> None:
    forward, backward = -torch.rand(2, 3, 17, dtype=torch.float64), -torch.rand(2, 3, 17, dtype=torch.float64)
    sums = sum_between(forward, backward)
    assert sums.shape == (2, 3, 17, 17)
    for i in range(17):
        for j in range(17):
            slow = slow_sum_between(forward.movedim(2, 0), backward.movedim(2, 0), i, j)
            torch.testing.assert_close(sums[..., i, j], slow, rtol=1e-12, atol=1e-12)
    assert sums.diagonal(dim1=-2, dim2=-1).count_nonzero() == 0
    assert (sums <= 0).all()


@GATES
def test_a_line_does_not_depend_on_other_lines(gates: str) -> None:
    attention = randomized(DecayingAttention(HIDDEN, HEADS, KEYS, gates))
    lines = torch.randn(9, 4, HIDDEN, dtype=torch.float64)
    together = attention(lines)
    for n in range(4):
        torch.testing.assert_close(attention(lines[:, n : n + 1]), together[:, n : n + 1], rtol=1e-12, atol=1e-12)
    others = lines.clone()
    others[:, [0, 1, 3]] = torch.randn(9, 3, HIDDEN, dtype=torch.float64)
    torch.testing.assert_close(attention(others)[:, 2], together[:, 2], rtol=1e-12, atol=1e-12)


@GATES
def test_a_reversed_line_with_exchanged_decays_gives_the_reversed_result(gates: str) -> None:
    attention = randomized(DecayingAttention(HIDDEN, HEADS, KEYS, gates))
    lines = torch.randn(9, 2, HIDDEN, dtype=torch.float64)
    expected = attention(lines).flip(0)
    with torch.no_grad():
        attention.decays.copy_(attention.decays.roll(HEADS))
        if attention.gates is not None:
            attention.gates.weight.copy_(attention.gates.weight.roll(HEADS, dims=0))
    torch.testing.assert_close(attention(lines.flip(0)), expected, rtol=1e-12, atol=1e-12)


def test_fixed_decays_start_with_memories_from_1_to_32_steps() -> None:
    attention = DecayingAttention(8, 4, KEYS, "fixed")
    memories = -1 / torch.sigmoid(attention.decays.detach()).log()
    assert memories.tolist() == pytest.approx(2 * [1, LONGEST_MEMORY ** (1 / 3), LONGEST_MEMORY ** (2 / 3), 32])


@GATES
def test_decays_near_zero_leave_each_position_by_itself(gates: str) -> None:
    attention = randomized(DecayingAttention(HIDDEN, HEADS, KEYS, gates))
    nn.init.constant_(attention.decays, -1000)
    lines = torch.randn(9, 2, HIDDEN, dtype=torch.float64)
    values = (lines @ attention.project.weight.T).unflatten(2, (HEADS, -1))[..., 2 * KEYS :].flatten(2)
    torch.testing.assert_close(attention(lines), values @ attention.out.weight.T, rtol=1e-12, atol=1e-12)


@GATES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gates_at_twenty_times_their_scale_stay_finite(gates: str, dtype: torch.dtype) -> None:
    context = AxialDecay(CHANNELS, HIDDEN, HEADS, KEYS, gates)
    for name, parameter in context.named_parameters():
        if "gates" in name or "decays" in name:
            parameter.data *= 20
    x = torch.randn(2, CHANNELS, 50, 60, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = context(x)
    gradients = torch.autograd.grad(y.float().square().mean(), [x, *context.parameters()])
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if dtype == torch.float32:
        exact = context.double()(x.double())
        torch.testing.assert_close(y.double(), exact, rtol=1e-3, atol=1e-3 * exact.abs().max().item())


@GATES
def test_gradients_are_those_of_finite_differences(gates: str) -> None:
    context = randomized(AxialDecay(2, 2, heads=2, keys=2, gates=gates))
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in context.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(context, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(run, (x, *context.parameters()))
