"""Learning rates over the steps of a run.

The schedules that are not torch's own compute each rate from the step alone. So a resumed run continues exactly, and
the state holds primitives only.
"""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from segrnn.errors import ConfigError


def constant(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    """Keep each group's learning rate constant over all steps."""
    return LambdaLR(optimizer, lambda step: 1.0)


def one_cycle(optimizer: Optimizer, total_steps: int, warmup: float) -> LRScheduler:
    """Raise each group's rate from a 25th of its learning rate to all of it, then lower it to nearly 0 by a cosine.

    Smith and Topin 2018, "Super-convergence", arXiv 1708.07120.

    Args:
        optimizer: the optimizer. Its learning rates and its momentum are moved.
        total_steps: the number of steps of the run.
        warmup: the share of the steps in which the rates rise.

    Raises:
        ConfigError: the share is out of range, or the optimizer has no momentum.
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
    """Lower rates by ``(lr - end) * (1 - t / T) ** power + end`` with ``end = final * lr``, after a linear warm-up.

    Chen et al. 2017, "DeepLab", arXiv 1606.00915, section 4.1. Step t and length T count from the end of the warm-up,
    as in mmsegmentation's recipes. There, ``eta_min`` is one rate for all groups. Here, `final` is a share of each
    group's own rate.

    Args:
        optimizer: the optimizer. The learning rates of its groups are moved.
        total_steps: the number of steps of the run.
        power: the power of the decay; 1 is linear, 0 constant.
        warmup_steps: the number of steps in which each group's rate rises to its learning rate.
        warmup_start: the share of its learning rate that a group starts the warm-up with.
        final: the share of its learning rate that a group's decay ends at.

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
            f"schedule.warmup_steps={warmup_steps} must be at least 0 and less than the {total_steps} steps of the "
            "run: lower it, or train longer (trainer.max_steps or trainer.epochs)"
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
    """Multiply each group's learning rate by a factor that grows exponentially from `start` to `end`.

    This is the range test of Smith 2015, "Cyclical learning rates", arXiv 1506.01186, section 3.3. There the rates grow
    linearly. The rate where the loss falls fastest and the rate where it begins to rise show the range to choose from.

    Args:
        optimizer: the optimizer. The learning rates of its groups are moved.
        total_steps: the number of steps of the run.
        start: the factor of the first step.
        end: the factor that the last step almost reaches.

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
