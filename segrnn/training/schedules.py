"""Learning rates over the steps of a run.

What is not of torch is a closed form of the step: a resumed run continues exactly, and the state holds primitives only.
"""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from segrnn.errors import ConfigError


def constant(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    """Each group's own learning rate all the time, however many steps there are."""
    return LambdaLR(optimizer, lambda step: 1.0)


def one_cycle(optimizer: Optimizer, total_steps: int, warmup: float) -> LRScheduler:
    """Each group from a 25th of its learning rate up to it over a share of the steps, then down to nothing by a cosine.

    Smith and Topin 2018, "Super-convergence", arXiv 1708.07120.

    Raises:
        ConfigError: a share out of range, or an optimizer without momentum, which the cycle moves too.
    """
    try:
        return OneCycleLR(optimizer, [_lr(group) for group in optimizer.param_groups], total_steps, pct_start=warmup)
    except ValueError as error:
        raise ConfigError(f"schedule: {error}") from error


def poly(
    optimizer: Optimizer,
    total_steps: int,
    power: float,
    warmup_steps: int = 0,
    warmup_start: float = 1e-6,
    final: float = 0.0,
) -> LRScheduler:
    """``(lr - end) * (1 - t / T) ** power + end`` with ``end = final * lr``, after a linear warm-up.

    Chen et al. 2017, "DeepLab", arXiv 1606.00915, section 4.1. Step t and length T count from the end of the warm-up,
    as in mmsegmentation's recipes, whose ``eta_min`` is a rate of all groups, where `final` is a share of each one's.

    Args:
        optimizer: whose groups' rates are moved.
        total_steps: of the run.
        power: of the decay; 1 is linear, 0 constant.
        warmup_steps: steps on the way up to each group's learning rate.
        warmup_start: share of it in the first step of the warm-up.
        final: share of it that the decay ends at.

    Raises:
        ConfigError: the warm-up leaves no step of the run, or a value is out of range.

    Example:
        >>> sgd = torch.optim.SGD([torch.zeros(1)], lr=8.0)
        >>> schedule = poly(sgd, total_steps=4, power=1, warmup_steps=2, warmup_start=0.5, final=0.25)
        >>> [schedule.lr_lambdas[0](step) for step in range(5)]
        [0.5, 0.75, 1.0, 0.625, 0.25]
    """
    if not 0 <= warmup_steps < total_steps:
        raise ConfigError(
            f"schedule.warmup_steps={warmup_steps} must be from 0 to less than the {total_steps} steps of the run: "
            "lower it, or train for longer (trainer.max_steps)"
        )
    if power < 0:
        raise ConfigError(f"schedule.power={power} must be at least 0")
    for name, value in {"warmup_start": warmup_start, "final": final}.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"schedule.{name}={value} must be between 0 and 1")

    def share(step: int) -> float:
        if step < warmup_steps:
            return warmup_start + (1 - warmup_start) * step / warmup_steps
        left = max(0.0, 1 - (step - warmup_steps) / (total_steps - warmup_steps))
        return (1 - final) * left**power + final

    return LambdaLR(optimizer, share)


def lr_range(optimizer: Optimizer, total_steps: int, start: float, end: float) -> LRScheduler:
    """Each group's learning rate times what grows evenly, in the logarithm, from `start` to `end`.

    The range test of Smith 2015, "Cyclical learning rates", arXiv 1506.01186, section 3.3, there with linear steps:
    where the loss falls fastest, and where it begins to rise, is what rates can be.

    Args:
        optimizer: whose groups' rates are moved.
        total_steps: of the run.
        start: factor of the first step.
        end: factor that the last step is just short of.

    Raises:
        ConfigError: a factor is not above 0.

    Example:
        >>> sgd = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> schedule = lr_range(sgd, total_steps=2, start=0.01, end=100)
        >>> [round(schedule.lr_lambdas[0](step), 6) for step in range(3)]
        [0.01, 1.0, 100.0]
    """
    for name, value in {"start": start, "end": end}.items():
        if not value > 0:
            raise ConfigError(f"schedule.{name}={value} must be above 0")
    return LambdaLR(optimizer, lambda step: start ** (1 - step / total_steps) * end ** (step / total_steps))


def _lr(group: dict[str, Any]) -> float:
    return float(group["lr"])
