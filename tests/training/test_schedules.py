import io
from collections.abc import Callable

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from segrnn.errors import ConfigError
from segrnn.training import constant, lr_range, one_cycle, poly

PEAKS = (1.0, 3.0)
SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int], LRScheduler]] = {
    "constant": constant,
    "one_cycle": lambda optimizer, steps: one_cycle(optimizer, steps, warmup=0.3),
    "poly": lambda optimizer, steps: poly(optimizer, steps, power=0.9),
    "warmup_poly": lambda optimizer, steps: poly(optimizer, steps, 1.0, warmup_steps=4, final=0.01),
    "lr_range": lambda optimizer, steps: lr_range(optimizer, steps, start=1e-3, end=10),
}


def sgd() -> torch.optim.Optimizer:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in PEAKS]
    return torch.optim.SGD(groups, momentum=0.9)


def run(optimizer: torch.optim.Optimizer, schedule: LRScheduler, steps: int) -> list[tuple[float, ...]]:
    rates = []
    for _ in range(steps):
        rates.append(tuple(group["lr"] for group in optimizer.param_groups))
        optimizer.step()
        schedule.step()
    return rates


def of_both(shares: list[float]) -> list[tuple[float, ...]]:
    return [tuple(pytest.approx(share * peak) for peak in PEAKS) for share in shares]


def test_constant() -> None:
    optimizer = sgd()
    assert run(optimizer, constant(optimizer, 5), 7) == of_both([1] * 7)


def test_poly() -> None:
    optimizer = sgd()
    rates = run(optimizer, poly(optimizer, total_steps=10, power=0.9), 11)
    assert rates == of_both([(1 - step / 10) ** 0.9 for step in range(11)])


def test_poly_is_torchs_to_the_last_step() -> None:
    optimizer, other = sgd(), sgd()
    theirs = run(other, torch.optim.lr_scheduler.PolynomialLR(other, 10, 0.9), 11)
    assert run(optimizer, poly(optimizer, 10, 0.9), 11) == [pytest.approx(rates) for rates in theirs]


def test_poly_after_a_warmup_and_above_a_floor() -> None:
    optimizer = sgd()
    schedule = poly(optimizer, total_steps=12, power=2, warmup_steps=4, warmup_start=0.2, final=0.1)
    down = [0.9 * (1 - t / 8) ** 2 + 0.1 for t in range(9)]
    assert run(optimizer, schedule, 14) == of_both([0.2, 0.4, 0.6, 0.8, *down, 0.1])


def test_the_range_test_multiplies_by_the_same_at_each_step() -> None:
    optimizer = sgd()
    rates = run(optimizer, lr_range(optimizer, total_steps=8, start=1e-3, end=10), 9)
    assert rates == of_both([1e-3 * 10 ** (t / 2) for t in range(9)])


def test_one_cycle_peaks_at_each_groups_own_rate() -> None:
    optimizer = sgd()
    schedule = one_cycle(optimizer, total_steps=11, warmup=0.3)
    assert tuple(group["max_lr"] for group in optimizer.param_groups) == PEAKS
    rates = [first for first, _ in run(optimizer, schedule, 10)]
    assert max(rates) == pytest.approx(1.0, rel=0.05)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[-1] < 0.05


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_resumed_schedule_goes_on_exactly(name: str) -> None:
    optimizer = sgd()
    whole = run(optimizer, SCHEDULES[name](optimizer, 12), 12)
    first = sgd()
    schedule = SCHEDULES[name](first, 12)
    start = run(first, schedule, 5)
    file = io.BytesIO()
    torch.save([first.state_dict(), schedule.state_dict()], file)
    file.seek(0)
    resumed = sgd()
    schedule = SCHEDULES[name](resumed, 12)
    states = torch.load(file, weights_only=True)
    resumed.load_state_dict(states[0])
    schedule.load_state_dict(states[1])
    assert start + run(resumed, schedule, 7) == whole


@pytest.mark.parametrize("warmup_steps", [10, 1500, -1])
def test_a_warmup_that_leaves_no_step_is_told(warmup_steps: int) -> None:
    message = (
        rf"schedule\.warmup_steps={warmup_steps} must be at least 0 and less than the 10 steps of the run: .*max_steps"
    )
    with pytest.raises(ConfigError, match=message):
        poly(sgd(), 10, power=1, warmup_steps=warmup_steps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: poly(sgd(), 10, power=-1), r"schedule\.power=-1 must be at least 0"),
        (lambda: poly(sgd(), 10, power=1, warmup_start=2), r"schedule\.warmup_start=2 must be between 0 and 1"),
        (lambda: poly(sgd(), 10, power=1, final=-0.1), r"schedule\.final=-0.1 must be between 0 and 1"),
        (lambda: lr_range(sgd(), 10, start=0, end=1), r"schedule\.start=0 must be above 0"),
        (lambda: lr_range(sgd(), 10, start=1, end=-1), r"schedule\.end=-1 must be above 0"),
        (lambda: one_cycle(sgd(), 10, warmup=2), r"schedule: .*pct_start"),
        (
            lambda: one_cycle(torch.optim.Adadelta([torch.zeros(1, requires_grad=True)]), 10, warmup=0.3),
            r"schedule: optimizer must support momentum",
        ),
    ],
)
def test_what_cannot_be_is_told(make: Callable[[], LRScheduler], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
