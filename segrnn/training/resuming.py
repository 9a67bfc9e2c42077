"""Resuming a run: some of its state comes from the checkpoint, the rest from the configuration."""

import copy
import warnings
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segrnn.errors import CheckpointError


def check_optimizer(saved: Mapping[str, Any], optimizer: Optimizer) -> None:
    """Check that an optimizer can go on from the state of the optimizer in a checkpoint.

    Args:
        saved: the former optimizer's ``state_dict``.
        optimizer: the new optimizer, before its first step.

    Raises:
        CheckpointError: the two optimizers have different groups of parameters, or keep different values for a
            parameter.
    """
    before = [(group.get("name", "unnamed"), len(group["params"])) for group in saved["param_groups"]]
    now = [(group.get("name", "unnamed"), len(group["params"])) for group in optimizer.param_groups]
    if before != now:
        raise CheckpointError(
            "the optimizer has other groups of parameters than the checkpoint's optimizer: "
            f"{_name_groups(now)} instead of {_name_groups(before)}. {_WAY_OUT}"
        )
    needed = _kept_values(optimizer)
    pairs = (
        (saved["state"][key], parameter)
        for former, group in zip(saved["param_groups"], optimizer.param_groups, strict=True)
        for key, parameter in zip(former["params"], group["params"], strict=True)
        if saved["state"].get(key)
    )
    for kept, parameter in pairs:
        wanted = needed.get(parameter.ndim, set(kept))
        if set(kept) != wanted:
            raise CheckpointError(
                f"{type(optimizer).__name__} keeps {_join(wanted)} for each parameter, but the checkpoint's optimizer "
                f"kept {_join(kept)}. {_WAY_OUT}"
            )


_WAY_OUT = (
    "A run must continue with the optimizer that it began with: restore optimizer and its arguments, or start a new "
    "run from the weights with weights=<checkpoint> instead of ckpt"
)


def _name_groups(groups: list[tuple[str, int]]) -> str:
    shown = [f"{name} ({count})" for name, count in groups[:4]]
    return ", ".join([*shown, *(["..."] if len(groups) > 4 else [])])


def _join(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _kept_values(optimizer: Optimizer) -> dict[int, set[str]]:
    """Return the names of the values that an optimizer keeps for a parameter, by the parameter's number of dimensions.

    They are found by one step on small parameters. The result is empty for an optimizer that can't make this step, for
    example because it works on GPUs only.
    """
    dimensions = {parameter.ndim for group in optimizer.param_groups for parameter in group["params"]}
    twin = copy.copy(optimizer)
    twin.state = defaultdict(dict)
    small = {ndim: nn.Parameter(torch.zeros([1] * ndim)) for ndim in dimensions}
    options = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
    twin.param_groups = [{**options, "params": list(small.values())}]
    for parameter in small.values():
        parameter.grad = torch.zeros_like(parameter)
    try:
        twin.step()
    except (RuntimeError, TypeError, AssertionError):
        return {}
    return {ndim: set(twin.state[parameter]) for ndim, parameter in small.items()}


def move_to(step: int, optimizer: Optimizer, schedule: LRScheduler) -> None:
    """Set an optimizer's learning rates to those of a schedule after `step` steps.

    Example:
        >>> optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> move_to(3, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5))
        >>> optimizer.param_groups[0]["lr"]
        0.125
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step")
        for _ in range(step):
            schedule.step()


def take_over(
    checkpoint: dict[str, Any],
    optimizer: Optimizer,
    schedule: LRScheduler,
    loss: Mapping[str, Tensor],
    averages: bool,
) -> None:
    """Change a checkpoint so that a run restored from it has the settings of its own configuration.

    The weights, the step and the values that the optimizer keeps for each parameter stay as they are in the checkpoint.

    Args:
        checkpoint: Lightning's checkpoint, which is changed in place.
        optimizer: the configured optimizer, with its learning rates at the checkpoint's step.
        schedule: the configured schedule, at the checkpoint's step.
        loss: the state of the configured loss.
        averages: whether the run keeps a moving average of the weights. If not, it goes on from the weights themselves.
    """
    (state,) = checkpoint["optimizer_states"]
    former = state["param_groups"]
    state["param_groups"] = [
        {**group, "params": before["params"]} for before, group in zip(former, optimizer.param_groups, strict=True)
    ]
    checkpoint["lr_schedulers"] = [schedule.state_dict()]
    if not averages:
        checkpoint["state_dict"] = checkpoint.pop("current_model_state", checkpoint["state_dict"])
    for part in ("state_dict", "current_model_state"):
        if part in checkpoint:
            weights = {name: value for name, value in checkpoint[part].items() if not name.startswith("loss.")}
            checkpoint[part] = weights | {f"loss.{name}": value for name, value in loss.items()}
