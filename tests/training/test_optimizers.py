from functools import partial

import pytest
import torch

from segrnn.context import ReNet
from segrnn.models import FCN, add_context
from segrnn.training import grouped_optimizer, one_cycle, poly


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    model = add_context(FCN("resnet18", classes=3, width=8, encoder_depth=3), partial(ReNet, hidden=4))
    return grouped_optimizer(
        model, torch.optim.SGD, lr=3.0, encoder_lr=1.0, recurrent_lr=2.0, weight_decay=0.1
    )  # fmt: skip


def test_every_parameter_is_in_one_group_with_its_rate_and_decay(optimizer: torch.optim.Optimizer) -> None:
    groups = {group["name"]: group for group in optimizer.param_groups}
    kinds = {"encoder": 1.0, "recurrent": 2.0, "rest": 3.0}
    assert set(groups) == set(kinds) | {f"{kind}, not decayed" for kind in kinds}
    for kind, rate in kinds.items():
        assert groups[kind]["lr"] == groups[f"{kind}, not decayed"]["lr"] == rate
        assert groups[kind]["weight_decay"] == 0.1
        assert groups[f"{kind}, not decayed"]["weight_decay"] == 0
        assert all(p.ndim > 1 for p in groups[kind]["params"])
        assert all(p.ndim == 1 for p in groups[f"{kind}, not decayed"]["params"])
    recurrent = groups["recurrent"]["params"] + groups["recurrent, not decayed"]["params"]
    assert len(recurrent) == 16  # two sweeps, two directions, two matrices and two biases


def run(optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_poly(optimizer: torch.optim.Optimizer) -> None:
    rates = run(optimizer, poly(optimizer, total_steps=10, power=0.9), 10)
    assert rates == pytest.approx([(1 - step / 10) ** 0.9 for step in range(10)])


def test_one_cycle_peaks_at_each_groups_own_rate(optimizer: torch.optim.Optimizer) -> None:
    schedule = one_cycle(optimizer, total_steps=11, warmup=0.3)
    peaks = {group["name"].partition(",")[0]: group["max_lr"] for group in optimizer.param_groups}
    assert peaks == {"encoder": 1.0, "recurrent": 2.0, "rest": 3.0}
    rates = run(optimizer, schedule, 10)
    assert max(rates) == pytest.approx(1.0, rel=0.05)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[-1] < 0.05
