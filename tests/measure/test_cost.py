import pytest
import torch
from torch import nn

from segrnn.context import ReNet, Sweep
from segrnn.measure import count_macs, count_parameters, effective_receptive_field, measure_costs, peak_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cell", "gates", "recurrent"),
    [("rnn", 1, 1), ("irnn", 1, 1), ("gru", 3, 1), ("lstm", 4, 1), ("mingru", 2, 0), ("minlstm", 3, 0)],
)
def test_macs_of_a_sweep_are_those_of_its_matrices(cell: str, gates: int, recurrent: int) -> None:
    sweep = Sweep(12, 8, axis=2, cell=cell)
    expected = 2 * gates * (12 * 8 + recurrent * 8 * 8) * 5 * 7
    assert count_macs(sweep, torch.Size([1, 12, 5, 7])) == expected


def test_counting_does_not_touch_the_module() -> None:
    module = ReNet(4, hidden=3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    count_macs(module, torch.Size([1, 4, 5, 7]))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert count_parameters(module) == sum(value.numel() for value in before.values())


def test_peak_memory_counts_what_lives_at_once() -> None:
    def work() -> None:
        a = torch.zeros(1000)  # 4,000 bytes
        b = a + 1
        del a
        c = b.view(10, 100) * 2  # the view shares its storage
        del b
        c.add_(1)

    assert peak_memory(work, CPU) == 8000


def test_peak_memory_sees_what_autograd_keeps() -> None:
    x = torch.rand(1000, requires_grad=True)
    outputs = []
    assert peak_memory(lambda: outputs.append(x.exp().exp()), CPU) == 8000  # both results are kept for the backward
    del outputs[:]
    with torch.no_grad():
        assert peak_memory(lambda: outputs.append(x.exp()), CPU) == 4000


def test_costs_are_measured_side_by_side() -> None:
    modules = {"small": nn.Conv2d(4, 4, 1), "large": nn.Conv2d(4, 4, 7, padding=3), "identity": nn.Identity()}
    steps: list[int] = []
    small, large, identity = measure_costs(modules, torch.rand(1, 4, 30, 40), repeats=3, step=lambda: steps.append(1))
    assert len(steps) == 3 * 4
    assert (small.name, small.height, small.width) == ("small", 30, 40)
    assert large.macs == 49 * small.macs == 49 * 16 * 1200
    assert large.parameters == 4 * 4 * 49 + 4
    assert identity.macs == identity.parameters == 0
    assert all(cost.forward_ms > 0 and cost.training_ms > 0 and cost.peak_mib > 0 for cost in (small, large))


def test_the_receptive_field_of_a_convolution_is_its_kernel() -> None:
    field = effective_receptive_field(nn.Conv2d(4, 4, (3, 5), padding=(1, 2)), 4, (9, 11))
    assert (field > 0).nonzero().min(dim=0).values.tolist() == [3, 3]
    assert (field > 0).nonzero().max(dim=0).values.tolist() == [5, 7]
    assert field.max() == 1


def test_the_receptive_field_of_one_sweep_is_a_line() -> None:
    field = effective_receptive_field(Sweep(4, 2, axis=3), 4, (9, 11))
    assert (field[4] > 0).all()
    assert field.sum(dim=1).nonzero().flatten().tolist() == [4]


def test_what_sees_nothing_is_all_zero() -> None:
    class Blind(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0

    assert not effective_receptive_field(Blind(), 4, (5, 5)).any()
