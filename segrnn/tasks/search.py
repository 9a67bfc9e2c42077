"""Search for settings: ``python -m segrnn.search study.name=... study.space=...``."""

import gc
import math
import shlex
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from segrnn.claims import claimed
from segrnn.config.differences import differences
from segrnn.config.parsing import plain
from segrnn.config.schema import Search, Train
from segrnn.config.search_space import Choices, Range, Value, read_space
from segrnn.config.study import Sampler
from segrnn.config.trials import check_trials, compose_trial, train_overrides, write_overrides
from segrnn.errors import ConfigError, Interrupted, Pruned, SegrnnError, TrainingError
from segrnn.processes import world_size
from segrnn.reports import TrialResult, print_trials, rank_trials, write_trials
from segrnn.tasks.dashboards import on_dashboard
from segrnn.tasks.study_storage import alive, ask_shared, counted_trials, give_back, open_journal, open_shared
from segrnn.tasks.train import train
from segrnn.text import counted, tell
from segrnn.training.checkpoints import OnValidation

try:
    import optuna
    from optuna.trial import TrialState
except ModuleNotFoundError as error:  # the package is optional
    raise ConfigError('a search needs optuna, which is not installed: pip install "segrnn[search]"') from error


def search(config: Search, run_dir: Path) -> list[TrialResult]:
    """Run the trials of a study, or the trials that an earlier start has left.

    With ``storage``, other processes may run trials of the same study at the same time. One of them runs each trial.

    Each trial is a training run in a folder of its own. Its value is the mIoU of the last validation, after the
    schedule has ended. The highest mIoU of all validations would favour trials with noisy scores.

    Args:
        config: the configuration of ``conf/search.yaml``, composed by Hydra's command line.
        run_dir: the folder for ``study.journal``, ``search.csv``, ``search.png`` and ``trial_<n>``.

    Raises:
        SegrnnError: the configuration, the data or the folder is at fault, the search was told to end, or no trial was
            completed.
    """
    _check_start(config)
    space = read_space(config.study.space)
    if config.storage or not (run_dir / _JOURNAL).exists():  # otherwise it was checked when the study began
        check_trials(space)
    name = config.study.name
    shown = on_dashboard("search", plain(config), run_dir, group=name, trains=True)
    # processes that share a study share its folder, too
    with nullcontext() if config.storage else claimed(run_dir, tell), shown as numbers:
        study = _open_study(run_dir, config)
        if missing := config.study.trials - len(_ended(study)):
            tell(f"{max(missing, 0)} of {config.study.trials} trials to run; search directory: {run_dir}")
        _run_trials(study, space, config, run_dir)
        results = _results(study)
        if results:
            _write(results, space, run_dir)
            numbers |= {"trials": len(results), "mIoU of the best trial": rank_trials(results)[0].miou or math.nan}
    left = config.study.trials - len(results)
    if left > 0:
        tell(
            f"\nother processes run the last {counted(left, 'trial')}; the same command takes up those of a killed one"
        )
    else:
        _report(results, name, run_dir)
    return results


_JOURNAL = "study.journal"

_WHOLE = "whole"
"""The attribute of a trial whose last validation is done."""


def _check_start(config: Search) -> None:
    """Refuse settings that a search can't use, before anything is written."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # at lower levels, Optuna prints a line for each trial, too
    if config.ckpt:
        raise ConfigError(
            f"ckpt={config.ckpt} is a checkpoint of one run, but a search continues by itself. To start its trials "
            "from trained weights, set weights=<checkpoint>"
        )
    if config.from_run:
        raise ConfigError(
            f"from={config.from_run} repeats one run, and a search has many: give the settings of that run as overrides"
        )
    trainer = config.trainer
    if trainer.devices != 1 or trainer.num_nodes != 1 or world_size() > 1:
        raise ConfigError(
            f"each trial of a search runs in one process: trainer.devices={trainer.devices} and "
            f"trainer.num_nodes={trainer.num_nodes} must be 1, without torchrun or srun. Search with a shorter "
            "or smaller run, and train the best one on all devices"
        )


def _open_study(run_dir: Path, config: Search) -> optuna.Study:
    """Begin a study or go on with it. Its settings must stay the same, or its trials can't be compared."""
    pruner = config.study.pruner
    study = optuna.create_study(
        storage=open_shared(config.storage) if config.storage else open_journal(run_dir / _JOURNAL),
        study_name=config.study.name if config.storage else "search",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(pruner.startup_trials, pruner.warmup_steps),
        load_if_exists=True,
    )
    before = study.user_attrs.get("config")
    if before is None:
        study.set_user_attr("config", plain(config))
        return study
    changed = [line for line in differences(before, plain(config)) if not line.startswith(_FREE)]
    if changed:
        lines = "\n".join(f"  {line}" for line in changed)
        raise ConfigError(
            f"the study in {config.storage or run_dir / _JOURNAL} began with other settings:\n{lines}\n"
            "Restore them to continue it, or begin another study: study.name=<another>"
        )
    return study


_FREE = ("study.trials:", "study.name:", "storage:")
"""Settings that may change from one start of a study to the next."""


def _run_trials(study: optuna.Study, space: Mapping[str, Range | Choices], config: Search, run_dir: Path) -> None:
    total, minutes = config.study.trials, config.trainer.max_minutes
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    while (trial := _take_up(study, config, run_dir)) is not None:
        values = {key: _suggest(trial, key, varied) for key, varied in space.items()}
        folder = run_dir / f"trial_{trial.number}"
        tell(f"\ntrial {trial.number}, {len(_ended(study)) + 1} of {total}: {' '.join(write_overrides(values))}")
        try:
            with alive(study, trial):
                miou = _train(study, trial, values, folder, config.study.name, deadline)
        except Pruned as pruned:
            study.tell(trial, state=TrialState.PRUNED)
            tell(f"trial {trial.number} is pruned: {pruned}")
        except TrainingError as error:
            # the trial is marked as pruned, not as failed, so that Optuna learns to avoid such values
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=TrialState.PRUNED)
            tell(f"trial {trial.number} failed: {error}")
        except Interrupted:
            tell(f"the search was ended within trial {trial.number}; the same command continues it")
            if config.storage:
                give_back(study, trial)
            raise
        except SegrnnError:
            if config.storage:
                give_back(study, trial)
            elif not _ended(study) and not (folder / "checkpoints").exists():
                (run_dir / _JOURNAL).unlink()  # nothing has been learnt yet, so all settings may change
            raise
        else:
            study.tell(trial, miou)
        _write(_results(study), space, run_dir)
        gc.collect()  # a trainer has many reference cycles, which would keep the last network's memory


def _take_up(study: optuna.Study, config: Search, run_dir: Path) -> optuna.Trial | None:
    """Return the trial that an earlier start did not finish, or a new one. Return None if none is left."""
    total, trials = config.study.trials, study.get_trials(deepcopy=False)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if config.storage:
        trial = ask_shared(study, total, run_dir)
        if trial is not None:  # its number is its own, so no other process draws the same values
            study.sampler = _seeded(config.study.sampler, trial.number)
        return trial
    if len(_ended(study)) >= total:
        return None
    study.sampler = _seeded(config.study.sampler, running[0].number if running else len(trials))
    return optuna.Trial(study, running[0]._trial_id) if running else study.ask()


def _seeded(sampler: Sampler, number: int) -> optuna.samplers.BaseSampler:
    """Return a sampler for one trial. With one seed for all, a restart would draw the first trial's values again."""
    return optuna.samplers.TPESampler(n_startup_trials=sampler.startup_trials, seed=sampler.seed + number)


def _suggest(trial: optuna.Trial, key: str, varied: Range | Choices) -> Value:
    """Return a value for an override. A resumed trial gets the value that it already has."""
    if isinstance(varied, Choices):
        return trial.suggest_categorical(key, varied.values)
    if varied.whole:
        return trial.suggest_int(key, int(varied.low), int(varied.high), step=int(varied.step or 1), log=varied.log)
    return trial.suggest_float(key, varied.low, varied.high, step=varied.step, log=varied.log)


def _train(
    study: optuna.Study,
    trial: optuna.Trial,
    values: Mapping[str, Value],
    folder: Path,
    name: str,
    deadline: float | None,
) -> float:
    """Run a trial, or the rest of it, and return the mIoU of its last validation.

    Raises:
        Pruned: the trial has fallen behind the others.
        SegrnnError: `segrnn.tasks.train.train` has raised it.
    """
    config = compose_trial(values)
    config.run_id = name  # the folder's name comes after it on a dashboard, where all trials are one group
    if deadline is not None:
        config.trainer.max_minutes = max(deadline - time.monotonic(), 1e-3) / 60
    if (folder / "checkpoints").exists():
        config.ckpt, config.weights = "auto", None  # a resumed trial does not need its first weights again
    on_validation = _reporter(study, trial)
    return train(Train.parse(config), folder, on_validation).scores.miou


def _reporter(study: optuna.Study, trial: optuna.Trial) -> OnValidation:
    """Return a function that reports validations to Optuna, and ends the trial if Optuna says so."""
    known = study.get_trials(deepcopy=False)[trial.number]
    reported = dict(known.intermediate_values)

    def prune(step: int) -> None:
        if trial.should_prune():
            raise Pruned(f"at step {step} its best mIoU is below the median of the others")

    def on_validation(step: int, miou: float, last: bool) -> None:
        if last:  # pruning would save nothing
            trial.set_user_attr(_WHOLE, True)
        if step not in reported:  # a resumed trial may repeat a validation
            reported[step] = miou
            trial.report(miou, step)
        if not last:
            prune(step)

    if reported and _WHOLE not in known.user_attrs:  # it may have been interrupted just before it was pruned
        prune(max(reported))
    return on_validation


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in counted_trials(study) if trial.state.is_finished()]


def _results(study: optuna.Study) -> list[TrialResult]:
    results = []
    for trial in _ended(study):
        error = trial.user_attrs.get("error")
        state = "failed" if error else trial.state.name.lower()
        step = trial.last_step or 0
        results.append(TrialResult(trial.number, trial.params, state, None if error else trial.value, step, error))
    return results


def _write(results: list[TrialResult], space: Mapping[str, Range | Choices], run_dir: Path) -> None:
    logarithmic = [key for key, varied in space.items() if isinstance(varied, Range) and varied.log]
    choices = {key: varied.values for key, varied in space.items() if isinstance(varied, Choices)}
    write_trials(results, run_dir, logarithmic, choices)


def _report(results: list[TrialResult], name: str, run_dir: Path) -> None:
    states = [result.state for result in results]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    tell(f"\nthe study is finished: {counts}")
    print_trials(results, f"study {name}")
    tell(f"table    {run_dir / 'search.csv'}\npicture  {run_dir / 'search.png'}")
    best = rank_trials(results)[0]
    if best.state != "complete":
        raise TrainingError(
            f"none of {len(results)} trials came to its end: change study.space, and begin a study with another name"
        )
    tell(f"the best is trial {best.number}, in {run_dir / f'trial_{best.number}'}. To train it as a run of its own:")
    tell(f"python -m segrnn.train {shlex.join(train_overrides(best.values))}")
