"""A search for settings: whole studies, as a person types them."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, load_study
from optuna.trial import TrialState
from PIL import Image

import segrnn.tasks.search
import segrnn.tasks.train
from segrnn.config.search_space import read_space
from segrnn.errors import ConfigError, Interrupted, TrainingError
from segrnn.tasks.train import TrainResult

SPACE = "study.space={optimizer.lr: {low: 1e-4, high: 1e-1, log: true}, context: {choices: [none, renet_gru]}}"
FOLDER = Path("runs/search/six")
Train = Callable[..., TrainResult]


class Killed(BaseException):
    """What no code of the search can react to."""


@pytest.fixture(autouse=True)
def without_pictures_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than these runs, and other tests look at them."""
    monkeypatch.setattr(segrnn.tasks.train, "_report", lambda *_: None)


@pytest.fixture
def arguments(camvid: Path) -> list[str]:
    small = [o for o in SMALL if not o.startswith("context.")]  # which context=none has not
    return [*small, "data=camvid", f"data.root={camvid}", "study.name=six", "study.trials=6", SPACE]


def load() -> Study:
    return load_study(study_name="search", storage=JournalStorage(JournalFileBackend(str(FOLDER / "study.journal"))))


def rows() -> list[dict[str, str]]:
    with (FOLDER / "search.csv").open() as file:
        return list(csv.DictReader(file))


def trained_by(monkeypatch: pytest.MonkeyPatch, around: Callable[..., TrainResult]) -> None:
    """Put something around each training run: it gets the number of the call, the run, and the run's arguments."""
    original, calls = segrnn.tasks.train.train, []

    def train(*arguments: object) -> TrainResult:
        calls.append(arguments)
        return around(len(calls) - 1, original, *arguments)

    monkeypatch.setattr(segrnn.tasks.search, "train", train)


@pytest.mark.thorough
def test_a_study_that_was_ended_three_times_is_the_study_that_was_not(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("search", *arguments, "hydra.run.dir=whole", "study.pruner.startup_trials=6") == 0
    capsys.readouterr()

    def ended(call: int, train: Train, config: object, folder: Path, on_validation: Callable) -> object:
        def at_validation(step: int, miou: float, last: bool) -> None:
            on_validation(step, miou, last)
            if call == 2 and step == 2:
                raise Killed
            if call == 4 and step == 2:
                raise Interrupted("SIGTERM", step, exit_code=143)

        result = train(config, folder, at_validation)
        if call == 7:
            raise Killed  # between a trial's end and the study's knowing of it
        return result

    trained_by(monkeypatch, ended)
    start = ["search", *arguments, "study.pruner.startup_trials=6"]
    with pytest.raises(Killed):
        run(*start)
    assert [trial.state.name for trial in load().trials] == ["COMPLETE", "COMPLETE", "RUNNING"]
    assert run(*start) == 143
    out, err = capsys.readouterr()
    assert "continuing from runs/search/six/trial_2/checkpoints/last.ckpt, step 2 of 3" in out.replace(
        "\n", ""
    ).replace(str(Path.cwd()) + "/", "")
    assert "the search was ended within trial 3; the same command continues it" in out
    assert err == "error: the run was ended after step 2: SIGTERM\n"
    with pytest.raises(Killed):
        run(*start)
    capsys.readouterr()
    assert run(*start) == 0
    out = capsys.readouterr().out
    assert "the study is finished: 6 complete" in out

    trials = load().trials
    assert [trial.number for trial in trials] == list(range(6))
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 6
    assert {trial.params["context"] for trial in trials} == {"none", "renet_gru"}
    assert (FOLDER / "search.csv").read_text() == Path("whole/search.csv").read_text()
    assert sorted(path.name for path in FOLDER.glob("trial_*")) == [f"trial_{number}" for number in range(6)]
    with Image.open(FOLDER / "search.png") as picture:
        assert min(picture.size) > 300

    best = max(rows(), key=lambda row: float(row["miou"]))
    command = out.strip().splitlines()[-1]
    assert command.startswith("python -m segrnn.train ")
    assert command.endswith(f"optimizer.lr={best['optimizer.lr']} context={best['context']}")
    assert "study." not in command

    assert run(*start) == 0  # nothing is left to do
    assert "the study is finished: 6 complete" in capsys.readouterr().out
    assert run(*start, "trainer.max_steps=4") == 2
    assert "began with other settings:\n  trainer.max_steps: 3 -> 4\n" in capsys.readouterr().err
    assert run(*start, "study.space={optimizer.lr: {low: 1e-3, high: 1e-1, log: true}}") == 2
    assert "study.space.optimizer.lr.low: 0.0001 -> 0.001" in capsys.readouterr().err
    assert [trial.number for trial in load().trials] == list(range(6))


@pytest.mark.slow
def test_trials_that_fall_behind_or_fail_are_ended(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def worse_each_time(call: int, train: Train, config: object, folder: Path, on_validation: Callable) -> object:
        if call == 2:
            raise TrainingError("the loss is nan")
        return train(config, folder, lambda step, _, last: on_validation(step, 0.5 / (1 + call), last))

    trained_by(monkeypatch, worse_each_time)
    assert run("search", *arguments, "study.trials=4", "study.pruner.startup_trials=1") == 0
    out = capsys.readouterr().out
    assert "trial 1 is pruned: at step 2 its best mIoU is below the median of the others" in out
    assert "trial 2 failed: the loss is nan" in out
    assert "1 complete, 2 pruned, 1 failed" in out
    assert [(row["state"], row["step"]) for row in rows()] == [
        ("complete", "3"),
        ("pruned", "2"),
        ("failed", "0"),
        ("pruned", "2"),
    ]
    assert float(rows()[1]["miou"]) == 0.25
    assert rows()[2]["miou"] == ""
    assert (FOLDER / "search.png").is_file()


@pytest.mark.thorough
def test_no_trial_comes_to_its_end(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> TrainResult:
        raise TrainingError("the loss is nan")

    trained_by(monkeypatch, failing)
    assert run("search", *arguments) == 2
    assert "none of 6 trials came to its end" in capsys.readouterr().err
    assert len(rows()) == 6


@pytest.mark.thorough
def test_a_mistake_that_the_first_trial_finds_can_be_mended(run: Run, arguments: list[str], capsys) -> None:
    assert run("search", *arguments, "study.trials=1", "loss.class_weights=[1,2]") == 2
    assert "loss.class_weights has 2 weights, but there are 11 classes" in capsys.readouterr().err
    assert run("search", *arguments, "study.trials=1") == 0
    assert [row["state"] for row in rows()] == ["complete"]


@pytest.mark.thorough
def test_time_is_up_for_all_trials_together(run: Run, arguments: list[str], capsys) -> None:
    assert run("search", *arguments, "study.trials=1", "trainer.max_minutes=1e-4") == 143
    assert "its time is up (trainer.max_minutes)" in capsys.readouterr().err
    assert run("search", *arguments, "study.trials=1") == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["study.space={optimizer.lrr: {low: 1, high: 2}}"], "no 'optimizer.lrr' in the configuration (did you mean"),
        (["study.space={context: {choices: [none, renet_gr]}}"], "context has no option 'renet_gr' (did you mean"),
        (["study.space={trainer.max_steps: {low: 0.5, high: 2}}"], "trainer.max_steps=0.5 must be a whole number"),
        (["study.space={data.flip: {low: 0.5, high: 2.0}}"], "data.flip=2.0 must be between 0 and 1"),
        (["study.space={optimizer.lr: {low: 2, high: 1}}"], "goes from low=2 to high=1: low must be below high"),
        (["study.space=[1,2]"], "study.space=[1, 2] must give a range for at least one override"),
        (["study.space=???"], "study.space needs a value: add study.space=<value>. See --help"),
        (["study.name=???"], "study.name needs a value: add study.name=<value>. See --help"),
        (["study.trials=0"], "study.trials=0 must be at least 1"),
        (["trainer.devices=2"], "runs in one process: trainer.devices=2 and trainer.num_nodes=1 must be 1"),
        (["ckpt=auto"], "ckpt=auto is a checkpoint of one run, but a search continues by itself"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_explained(overrides: list[str], message: str, run: Run, arguments: list[str], capsys) -> None:
    without = {override.partition("=")[0] for override in overrides}
    assert run("search", *(a for a in arguments if a.partition("=")[0] not in without), *overrides) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not list(Path().rglob("study.journal"))


def test_without_optuna(run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "segrnn.tasks.search")
    assert run("search", *arguments) == 2
    assert 'optuna, which is not installed: pip install "segrnn[search]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "must give a range for at least one override"),
        ({"a": 3}, "study.space: a=3 is not a range; write"),
        ({"a": {"low": 1}}, "is not a range"),
        ({"a": {"low": 1, "high": 2, "lag": True}}, "is not a range"),
        ({"a": {"low": 1, "high": "x"}}, "must have numbers for low, high and step"),
        ({"a": {"low": 0, "high": 2, "log": True}}, "low must be above 0, not 0"),
        ({"a": {"low": 1, "high": 2, "log": 3}}, "log=3: it must be true or false"),
        ({"a": {"low": 8, "high": 63, "step": 8}}, "take high=56 or high=64"),
        ({"a": {"low": 8, "high": 9, "step": 2}}, "take high=10"),
        ({"a": {"low": 8, "high": 9, "step": -1}}, "step=-1: it must be above 0"),
        ({"a": {"choices": [1]}}, "a list of at least two"),
        ({"a": {"choices": [[1], [2]]}}, "put quotes around those"),
        ({"a": {"choices": [1, 1]}}, "each value must occur only once"),
    ],
)
def test_ranges_that_cannot_be(given: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_space(given)


def test_steps_are_counted_in_decimals() -> None:
    assert read_space({"a": {"low": 0.1, "high": 0.5, "step": 0.1}})["a"].step == 0.1


def test_help_says_how_to_write_a_space(run: Run, capsys) -> None:
    assert run("search", "--help") == 0
    out = capsys.readouterr().out
    assert "{low: 1e-4, high: 1e-1, log: true}" in out
    assert out.count("python -m segrnn.search") >= 3
