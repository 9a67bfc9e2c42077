"""The knobs of a search: how it chooses values, and when it ends a trial."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.knobs import REQUIRED, Limits, knob


@dataclass(kw_only=True)
class Sampler:
    """The way in which a search chooses values."""

    seed: int = knob("the seed of its random numbers", 0, Limits(at_least=0))
    startup_trials: int = knob(
        "the number of trials with random values before the results of earlier trials guide the choice",
        10,
        Limits(at_least=0),
    )


@dataclass(kw_only=True)
class Pruner:
    """The pruning of trials: a search ends a trial whose best mIoU is below the others' median at the same step."""

    startup_trials: int = knob(
        "the number of trials that must finish before any is pruned; a number from study.trials up prunes none",
        5,
        Limits(at_least=0),
    )
    warmup_steps: int = knob("the training step before which no trial is pruned", 0, Limits(at_least=0))


@dataclass(kw_only=True)
class Study:
    """The settings of a search: its name, its number of trials, and what it varies."""

    name: str = knob("the name of the search's folder; the same command continues the study in it", REQUIRED)
    trials: int = knob("the number of trials, over all starts together", 20, Limits(at_least=1))
    space: Any = knob("the range of each override: {low, high} with log or step, or {choices}; see --help", REQUIRED)
    sampler: Sampler
    pruner: Pruner
