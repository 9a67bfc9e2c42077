"""Several processes that run the trials of one study."""

import csv
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from conftest import SMALL, Run
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from processes_together import run_together

import segrnn.tasks.search
from segrnn.errors import OutputError
from segrnn.tasks import study_storage

SPACE = "study.space={optimizer.lr: {low: 1e-4, high: 1e-1, log: true}}"
ARGUMENTS = [*SMALL, "data=camvid", "data.root=nowhere", "study.name=twelve", "study.trials=12", SPACE]
FOLDER = Path("runs/search/twelve")
STORAGES = {"database": "sqlite:///study.db", "journal": "study.journal"}


def with_each_storage(slow: str) -> pytest.MarkDecorator:
    """Run a test with one storage among the slow ones, and with the other among the thorough ones."""
    marks = {name: pytest.mark.slow if name == slow else pytest.mark.thorough for name in STORAGES}
    return pytest.mark.parametrize(
        "storage", [pytest.param(storage, marks=marks[name], id=name) for name, storage in STORAGES.items()]
    )


@pytest.fixture(autouse=True)
def quick_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials without a training: each writes which process ran it, and takes a moment."""

    def train(config: object, folder: Path, on_validation: Callable) -> object:
        folder.mkdir(parents=True)
        (folder / "process").write_text(str(os.getpid()))
        while Path("hang").exists():
            time.sleep(0.1)
        time.sleep(0.1)
        return SimpleNamespace(scores=SimpleNamespace(miou=1 - config.optimizer["lr"]))

    monkeypatch.setattr(segrnn.tasks.search, "train", train)


def load(storage: str) -> optuna.Study:
    opened = RDBStorage(storage) if "://" in storage else JournalStorage(JournalFileBackend(storage))
    return optuna.load_study(study_name="twelve", storage=opened)


@with_each_storage(slow="database")
def test_two_processes_run_twelve_trials_and_none_twice(storage: str, run: Run) -> None:
    codes, told = run_together(2, "search", [*ARGUMENTS, f"storage={storage}"], Path("told"), launched=False)
    assert codes == [0, 0], told
    trials = load(storage).trials
    assert [trial.state for trial in trials if trial.state != TrialState.FAIL] == [TrialState.COMPLETE] * 12
    assert len({trial.params["optimizer.lr"] for trial in trials if trial.params}) == 12
    processes = [path.read_text() for path in FOLDER.glob("trial_*/process")]
    assert len(processes) == 12
    assert len(set(processes)) == 2
    assert told.count("the study is finished: 12 complete") >= 1
    with (FOLDER / "search.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    assert run("search", *ARGUMENTS, f"storage={storage}") == 0  # nothing is left to do
    assert len(list(FOLDER.glob("trial_*"))) == 12


@with_each_storage(slow="journal")
def test_the_trial_of_a_killed_process_is_run_again(
    storage: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(study_storage, "_BEAT", 1)
    monkeypatch.setattr(study_storage, "_GRACE", 2)
    monkeypatch.setattr(study_storage, "_UNCLAIMED", timedelta(seconds=1))
    arguments = [*ARGUMENTS, "study.trials=3", f"storage={storage}"]
    Path("hang").touch()
    child = get_context("fork").Process(target=run_together, args=(1, "search", arguments, Path("told")))
    child.start()
    for _ in range(600):
        if (FOLDER / "trial_0/process").exists() and (FOLDER / "trial_0/process").read_text():
            break
        time.sleep(0.1)
    os.kill(int((FOLDER / "trial_0/process").read_text()), signal.SIGKILL)
    child.join(60)
    Path("hang").unlink()
    time.sleep(4)
    capsys.readouterr()
    assert run("search", *arguments) == 0
    out = capsys.readouterr().out
    assert "the process of trial 0 has ended without a result: another trial with its values takes its place" in out
    assert "the study is finished: 3 complete" in out
    trials = load(storage).trials
    assert [trial.state.name for trial in trials] == ["FAIL", *["COMPLETE"] * 3]
    assert trials[1].params == trials[0].params


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("postgresql://me:secret@host/db", "storage=postgresql://me:***@host/db: a password in the address"),
        ("nonsense://host/db", "storage=nonsense://host/db can't be opened: "),
        ("postgresql://host/db", "storage=postgresql://host/db can't be opened: "),
        ("sqlite:////no/such/folder/study.db", "can't be opened: "),
    ],
)
def test_storages_that_cannot_be_are_explained(storage: str, message: str, run: Run, capsys) -> None:
    assert run("search", *ARGUMENTS, f"storage={storage}") == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert "secret" not in err


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection to study.db, which has locked it."""
    with closing(sqlite3.connect(tmp_path / "study.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


def test_a_database_that_another_process_has_locked_is_tried_again(
    lock: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_storage.time, "sleep", lambda _: lock.rollback())
    storage = study_storage.open_shared(f"sqlite:///{tmp_path}/study.db?timeout=0.1")
    assert storage.get_all_studies() == []


@pytest.mark.usefixtures("lock")
def test_a_database_that_stays_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(study_storage.time, "sleep", waits.append)
    with pytest.raises(OutputError, match=r"study\.db\?timeout=0\.01 can't be opened: .*database is locked"):
        study_storage.open_shared(f"sqlite:///{tmp_path}/study.db?timeout=0.01")
    assert len(waits) == 9
