"""Where a study is kept: a file in its folder for one process, or a storage that many processes share.

Processes that share a storage take trials from it one by one. Optuna's storages number trials, and give a waiting trial
to one process only. A trial whose process was killed is marked as failed, and another one with its values waits in its
place.
"""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from segrnn.claims import is_claimed
from segrnn.errors import ConfigError, OutputError
from segrnn.text import tell

try:
    import optuna
    import sqlalchemy
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.storages._heartbeat import get_heartbeat_thread
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, TrialState
except ModuleNotFoundError as error:  # the package is optional
    raise ConfigError('a search needs optuna, which is not installed: pip install "segrnn[search]"') from error

_BEAT, _GRACE = 10, 60
"""Seconds between two signs of life in a database, and without one until a trial's process counts as gone."""

_RETRIES = 2
"""How often another trial takes the values of a trial whose process was killed. They may be what has killed it."""

_TRIES = 10
"""How often a database is opened, two seconds apart, while another process makes its tables."""

_UNCLAIMED = timedelta(minutes=3)
"""How long a trial may be without a claim on its folder. A training claims it soon after the trial has begun."""


def open_journal(path: Path) -> BaseStorage:
    """Open a journal, or begin one.

    A journal only ever appends lines: a later Optuna need not migrate a schema, and no database needs locks, which the
    network disks of clusters may lack.
    """
    if path.exists():
        _cut_torn_line(path)
    return JournalStorage(JournalFileBackend(str(path)))


def open_shared(address: str) -> BaseStorage:
    """Open a storage that processes share.

    Args:
        address: the address of a database, or the path of a journal on a disk that all processes reach.

    Raises:
        ConfigError: the address has a password, which would be saved with the settings, or there is no such database.
        OutputError: the storage can't be opened.
    """
    if "://" not in address:
        try:
            path = Path(address)
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path)))
        except (OSError, ValueError) as error:
            raise OutputError(f"storage={address} can't be opened as a journal: {error}") from error
    try:
        url = sqlalchemy.make_url(address)
    except sqlalchemy.exc.ArgumentError as error:
        raise ConfigError(f"storage is not the address of a database, such as sqlite:///study.db: {error}") from error
    if url.password is not None:
        raise ConfigError(
            f"storage={url.render_as_string(hide_password=True)}: a password in the address would be saved with the "
            "settings of each trial: leave it out, and give it by the environment or a file of the database's client "
            "(PGPASSWORD, ~/.pgpass, ~/.my.cnf)"
        )
    try:
        for _ in range(_TRIES - 1):
            try:
                return _open_database(address)
            except sqlalchemy.exc.DBAPIError as error:  # another process may be making its tables at the same moment
                known = isinstance(error, sqlalchemy.exc.IntegrityError)
                if not known and not any(word in str(error) for word in ("already exists", "is locked")):
                    raise
                time.sleep(2)
        return _open_database(address)
    except (ImportError, sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise OutputError(f"storage={address} can't be opened: {str(error).splitlines()[0]}") from error


def _open_database(address: str) -> BaseStorage:
    with _quiet():
        return RDBStorage(address, heartbeat_interval=_BEAT, grace_period=_GRACE, heartbeat_stale_trial_callback=_retry)


def counted_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: all but those of killed processes, which others have taken the place of."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def ask_shared(study: optuna.Study, total: int, run_dir: Path) -> optuna.Trial | None:
    """Take a trial that no other process has, or return None if all trials are taken.

    Args:
        study: the study in a storage that processes share.
        total: the number of trials of the study.
        run_dir: the folder of the trials.
    """
    _fail_stale(study, run_dir)
    counted = counted_trials(study)
    if len(counted) >= total and not any(trial.state == TrialState.WAITING for trial in counted):
        return None
    with _quiet():
        trial = study.ask()
    before = sum(other.number < trial.number for other in counted_trials(study))
    if before < total:
        return trial
    # another process has asked at the same moment, and was given the last trial
    study.tell(trial, state=TrialState.FAIL)
    return None


@contextmanager
def alive(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """Give the storage signs of life of a trial. For a journal, the claim on the trial's folder is such a sign."""
    with get_heartbeat_thread(trial._trial_id, study._storage):
        yield


def give_back(study: optuna.Study, trial: optuna.Trial) -> None:
    """Let another process take the values of a trial that this process can't finish."""
    study.tell(trial, state=TrialState.FAIL)
    _retry(study, study.get_trials()[trial.number])


def _retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Let a trial with the values of another one wait for a process."""
    with _quiet():
        RetryHeartbeatStaleTrialCallback(_RETRIES)(study, trial)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's warnings about signs of life: they are called experimental, and `alive` gives them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _fail_stale(study: optuna.Study, run_dir: Path) -> None:
    """Mark trials of killed processes as failed, and let others wait in their places."""
    if isinstance(study._storage, JournalStorage):
        now: Any = datetime.now
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            assert trial.datetime_start is not None
            age = now(trial.datetime_start.tzinfo) - trial.datetime_start
            if age > _UNCLAIMED and not is_claimed(run_dir / f"trial_{trial.number}"):
                _fail(study, trial)
        return
    before = {trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))}
    with _quiet():
        optuna.storages.fail_stale_trials(study)
    after = {trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,))}
    for number in sorted(before & after):
        _tell_failed(number)


def _fail(study: optuna.Study, trial: FrozenTrial) -> None:
    try:
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:  # another process has done it, or the trial has just ended
        return
    _retry(study, trial)
    _tell_failed(trial.number)


def _tell_failed(number: int) -> None:
    tell(f"the process of trial {number} has ended without a result: another trial with its values takes its place")


def _cut_torn_line(path: Path) -> None:
    """Remove the last line if a full disk or a power cut left it unfinished: Optuna would append to it."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
