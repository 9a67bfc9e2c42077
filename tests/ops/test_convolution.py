import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segrnn.ops import convolve

pytestmark = pytest.mark.usefixtures("poisoned_memory")

Case = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int], int]
DEPTHWISE: list[Case] = [  # kernel, rows, columns, stride, output channels a group
    ((3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 3), (0, 1), (0, 1), (2, 2), 1),
    ((5, 5), (2, 2), (2, 2), (1, 1), 1),
    ((5, 5), (1, 2), (1, 2), (2, 2), 1),
    ((5, 5), (0, 0), (0, 0), (2, 2), 1),
    ((7, 7), (3, 3), (3, 3), (1, 1), 2),
    ((2, 4), (0, 3), (2, 1), (1, 3), 1),
    ((1, 9), (0, 0), (4, 4), (1, 2), 1),
]


def slow_twin(x: Tensor, weight: Tensor, case: Case, groups: int) -> Tensor:
    _, rows, columns, stride, _ = case
    return F.conv2d(F.pad(x, (*columns, *rows)), weight, None, stride, 0, 1, groups)


@pytest.mark.parametrize("size", [(9, 11), (16, 10)])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("groups", [6, 1])
@pytest.mark.parametrize("case", DEPTHWISE)
def test_values_and_gradients_are_those_of_a_padded_map(
    case: Case, groups: int, memory_format: torch.memory_format, size: tuple[int, int]
) -> None:
    kernel, rows, columns, stride, outputs = case
    x = torch.randn(2, 6, *size).to(memory_format=memory_format).requires_grad_()
    weight = torch.randn(groups * outputs, 6 // groups, *kernel, requires_grad=True)
    result = convolve(x, weight, rows, columns, stride, groups)
    expected = slow_twin(x.double(), weight.double(), case, groups)
    torch.testing.assert_close(result, expected.float(), rtol=1e-5, atol=1e-5)
    gradient = torch.randn_like(result)
    own = torch.autograd.grad(result, (x, weight), gradient)
    twin = torch.autograd.grad(expected, (x, weight), gradient.double())
    for got, wanted in zip(own, twin, strict=True):
        torch.testing.assert_close(got, wanted.float(), rtol=1e-5, atol=2e-5)


def test_every_gradient_alone() -> None:
    case = DEPTHWISE[3]
    for wants_x, wants_weight in [(True, False), (False, True)]:
        x = torch.randn(1, 4, 8, 8, requires_grad=wants_x)
        weight = torch.randn(4, 1, 5, 5, requires_grad=wants_weight)
        leaves = [leaf for leaf in (x, weight) if leaf.requires_grad]
        own = torch.autograd.grad(convolve(x, weight, case[1], case[2], case[3], 4).sum(), leaves)
        twin = torch.autograd.grad(slow_twin(x, weight, case, 4).sum(), leaves)
        torch.testing.assert_close(own, twin)


def test_nothing_uninitialised_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)  # with NaN
    torch.use_deterministic_algorithms(True)
    try:
        x, weight = torch.ones(1, 3, 7, 7, requires_grad=True), torch.ones(3, 1, 5, 5, requires_grad=True)
        result = convolve(x, weight, (1, 2), (0, 1), (2, 2), 3)
        result.sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert x.grad is not None
    assert weight.grad is not None
    assert all(tensor.isfinite().all() for tensor in (result, x.grad, weight.grad))


def test_channels_last_maps_stay_so() -> None:
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last)
    result = convolve(x, torch.randn(8, 1, 3, 3, requires_grad=True), (0, 1), (0, 1), (2, 2), 8)
    assert result.is_contiguous(memory_format=torch.channels_last)
