"""A run that comes back is the run that was started, to the bit."""

import json
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run

from segrnn.training import SegmentationModule

RECIPE = [  # everything random that a network and its data can have
    *SMALL,
    "trainer.max_steps=12",
    "trainer.validate_every_n_steps=4",
    "checkpoint.every_n_steps=5",
    "data.flip=0.5",
    "data.color=0.5",
    "+model.dropout=0.3",
    "auxiliary=fcn",
    "auxiliary.hidden=8",
    "schedule=poly",
    "data=camvid",
]


class Killed(BaseException):
    """What no code of the run reacts to."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], float]]:
    """The images and the loss of every step that is taken."""
    taken: list[tuple[list[str], float]] = []
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        names = module.trainer.datamodule.next_names()
        result = original(module, batch)
        taken.append((names, float(result["loss"])))
        return result

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    return taken


def before(method: str, step: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something before a step, or in the validation after it."""
    original = getattr(SegmentationModule, method)

    def acting(module: SegmentationModule, batch: object) -> object:
        if module.trainer.global_step == step:
            act()
        return original(module, batch)

    monkeypatch.setattr(SegmentationModule, method, acting)


def die() -> None:
    raise Killed


def contents(path: Path) -> dict:
    checkpoint = torch.load(path, weights_only=True)
    # where the run was, and how Lightning counted its way
    del checkpoint["segrnn"], checkpoint["loops"]
    return checkpoint


def assert_same(one: object, other: object, where: str = "") -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def checkpoint_of(run_id: str, name: str = "last") -> Path:
    return Path(f"runs/train/{run_id}/checkpoints/{name}.ckpt")


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(["optimizer=sgd"], marks=pytest.mark.thorough),
        pytest.param(
            ["trainer.micro_batch_size=2", "trainer.ema_decay=0.5", "data.workers=2", "augment=strong"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["plain", "parts, average, workers and transforms"],
)
def test_killed_and_resumed_is_the_same_run(
    camvid: Path,
    run: Run,
    steps: list,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
) -> None:
    arguments = [*RECIPE, f"data.root={camvid}", *overrides]
    assert run("train", *arguments, "run_id=whole") == 0
    whole = steps.copy()
    assert len(whole) == 12
    steps.clear()

    with monkeypatch.context() as patch:
        before("training_step", 7, die, patch)
        with pytest.raises(Killed):
            run("train", *arguments, "run_id=parts")
    assert steps == whole[:7]
    steps.clear()
    assert run("train", *arguments, "run_id=parts", "ckpt=auto") == 0
    assert steps == whole[5:]  # six images: in the middle of a pass
    assert "last.ckpt, step 5 of 12" in capsys.readouterr().out
    assert Path("runs/train/parts/csv/metrics.csv").is_file()
    assert Path("runs/train/parts/from_step_5/csv/metrics.csv").is_file()
    for name in ("last", "best", "previous"):
        assert_same(contents(checkpoint_of("whole", name)), contents(checkpoint_of("parts", name)))


@pytest.fixture
def arguments(camvid: Path) -> list[str]:
    """A run that saves after step 4, 8 and 12, and validates there."""
    return [*RECIPE, f"data.root={camvid}", "checkpoint.every_n_steps=4", "trainer.ema_decay=0.5"]


@pytest.fixture
def whole(run: Run, arguments: list[str], steps: list) -> list:
    """The steps of that run, from one go."""
    assert run("train", *arguments, "run_id=whole") == 0
    taken = steps.copy()
    steps.clear()
    return taken


@pytest.mark.thorough
@pytest.mark.parametrize("step", [8, 12])
def test_a_validation_that_was_cut_off_is_made_up_for(
    run: Run, arguments: list[str], whole: list, steps: list, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        before("validation_step", step, die, patch)
        with pytest.raises(Killed):
            run("train", *arguments, "run_id=parts")
    assert run("train", *arguments, "run_id=parts", "ckpt=auto") == 0
    assert steps == whole
    for name in ("last", "best"):
        assert_same(contents(checkpoint_of("whole", name)), contents(checkpoint_of("parts", name)))
    assert Path("runs/train/whole/metrics.json").read_text() == Path("runs/train/parts/metrics.json").read_text()


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGUSR1, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_run_with_everything_saved(
    run: Run,
    arguments: list[str],
    steps: list,
    number: int,
    exit_code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handlers = {each: signal.getsignal(each) for each in signal.valid_signals()}
    with monkeypatch.context() as patch:
        before("training_step", 4, lambda: signal.raise_signal(number), patch)
        assert run("train", *arguments, "run_id=parts") == exit_code
    assert {each: signal.getsignal(each) for each in signal.valid_signals()} == handlers
    assert len(steps) == 5
    assert contents(checkpoint_of("parts"))["global_step"] == 5
    assert f"ended after step 5: {signal.Signals(number).name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("training_step", marks=pytest.mark.slow),
        pytest.param("validation_step", marks=pytest.mark.thorough),
    ],
)
def test_a_run_that_was_told_to_end_goes_on_exactly(
    run: Run, arguments: list[str], whole: list, steps: list, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        before(method, 8, lambda: signal.raise_signal(signal.SIGTERM), patch)
        assert run("train", *arguments, "run_id=parts") == 143
    assert run("train", *arguments, "run_id=parts", "ckpt=auto") == 0
    assert steps == whole
    for name in ("last", "best"):
        assert_same(contents(checkpoint_of("whole", name)), contents(checkpoint_of("parts", name)))


def test_who_handled_a_signal_before_gets_it_in_the_end(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As submitit, which queues the job anew when it gets SIGUSR2."""
    saved = []
    former = signal.signal(signal.SIGUSR2, lambda *_: saved.append(checkpoint_of("parts").exists()))
    try:
        before("training_step", 2, lambda: signal.raise_signal(signal.SIGUSR2), monkeypatch)
        assert run("train", *arguments, "run_id=parts") == 143
    finally:
        signal.signal(signal.SIGUSR2, former)
    assert saved == [True]


def test_the_time_can_be_limited(run: Run, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", *arguments, "run_id=parts", "trainer.max_minutes=1e-6") == 143
    assert "after step 1: its time is up (trainer.max_minutes)" in capsys.readouterr().err
    assert contents(checkpoint_of("parts"))["global_step"] == 1


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(
    run: Run, arguments: list[str], whole: list, steps: list, capsys: pytest.CaptureFixture[str]
) -> None:
    last, previous = checkpoint_of("whole"), checkpoint_of("whole", "previous")
    content = last.read_bytes()
    for size in (0, len(content) - 1):
        last.unlink()  # it may be the best as well, under two names
        last.write_bytes(content[:size])
        assert run("train", *arguments, "run_id=whole", "ckpt=auto") == 0
        out = capsys.readouterr().out.replace("\n", " ")
        assert f"last.ckpt ({size} bytes) can't be loaded" in out
        assert "this checkpoint is skipped" in out
        assert contents(last)["global_step"] == 12
    assert steps == []  # the one before is of the same step
    last.unlink()
    last.write_bytes(content[:1000])
    previous.unlink()
    checkpoint_of("whole", "best").unlink()
    assert run("train", *arguments, "run_id=whole", "ckpt=auto") == 0
    assert steps == whole  # nothing left: from the beginning


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_checkpoint(
    run: Run,
    arguments: list[str],
    whole: list,
    steps: list,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        before("training_step", 7, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1])), patch)
        try:
            assert run("train", *arguments, "run_id=parts") == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err
    assert "new.ckpt can't be written" in error
    assert "MiB are free" in error
    assert contents(checkpoint_of("parts"))["global_step"] == 4
    assert not list(checkpoint_of("parts").parent.glob(".*"))
    assert run("train", *arguments, "run_id=parts", "ckpt=auto") == 0
    assert steps == [*whole[:8], *whole[4:]]


@pytest.mark.thorough
def test_the_average_is_what_is_scored_and_saved_and_another_run_can_go_on(
    run: Run, arguments: list[str], whole: list, steps: list, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = dict(contents(checkpoint_of("whole"))["callbacks"]["Checkpoints"]["validations"])
    best = contents(checkpoint_of("whole", "best"))
    assert scores[best["global_step"]] == max(scores.values())
    average, current = best["state_dict"], best["current_model_state"]
    assert any(not torch.equal(average[name], current[name]) for name in average)
    checkpoint = checkpoint_of("whole", "best")
    assert run("evaluate", f"ckpt={checkpoint}", "hydra.run.dir=scored", "data.workers=0") == 0
    assert json.loads(Path("scored/metrics.json").read_text())["miou"] == max(scores.values())

    previous = torch.load(checkpoint_of("whole", "previous"), weights_only=True)["global_step"]
    assert previous == 12  # before its validation
    assert run("train", *arguments, f"ckpt={checkpoint_of('whole')}", "trainer.max_steps=14", "run_id=longer") == 0
    assert len(steps) == 2
    out = capsys.readouterr().out
    assert "the run continues with other settings than it began with:\n  trainer.max_steps: 12 -> 14" in out
    assert contents(checkpoint_of("longer"))["global_step"] == 14
    assert Path("runs/train/longer/csv/metrics.csv").is_file()


@pytest.mark.thorough
def test_a_new_run_can_start_from_weights(
    run: Run, arguments: list[str], whole: list, cityscapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = f"weights={checkpoint_of('whole', 'best')}"
    assert run("train", *arguments, weights, "trainer.max_steps=1", "optimizer.lr=0", "run_id=new") == 0
    start, new = contents(checkpoint_of("whole", "best")), contents(checkpoint_of("new"))
    assert new["global_step"] == 1
    for name, tensor in start["state_dict"].items():
        if name.startswith("model.head"):
            assert torch.equal(tensor, new["current_model_state"][name])
    other = [*arguments, weights, "data=cityscapes", f"data.root={cityscapes}", "trainer.max_steps=1"]
    capsys.readouterr()
    assert run("train", *other, "run_id=other") == 2
    error = capsys.readouterr().err
    assert "load_head=false loads everything except the head" in error
    assert "there: sky, building" in error
    assert "here: road, sidewalk" in error
    assert run("train", *other, "run_id=other", "load_head=false") == 0


@pytest.mark.slow
def test_a_run_from_weights_goes_on_by_the_same_command(
    run: Run, arguments: list[str], whole: list, steps: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = [*arguments, f"weights={checkpoint_of('whole')}", "ckpt=auto"]
    assert run("train", *recipe, "run_id=tuned") == 0
    tuned = steps.copy()
    assert tuned != whole  # it began with other weights
    steps.clear()
    with monkeypatch.context() as patch:
        before("training_step", 7, die, patch)
        with pytest.raises(Killed):
            run("train", *recipe, "run_id=parts")
    assert run("train", *recipe, "run_id=parts") == 0
    assert steps == [*tuned[:7], *tuned[4:]]
    assert_same(contents(checkpoint_of("tuned")), contents(checkpoint_of("parts")))


class Code:
    def __reduce__(self) -> tuple:
        return (print, ("this was run",))


@pytest.mark.thorough
def test_what_a_run_can_not_go_on_from(
    run: Run, arguments: list[str], whole: list, capsys: pytest.CaptureFixture[str]
) -> None:
    good = checkpoint_of("whole")
    Path("text.ckpt").write_text("no checkpoint")
    torch.save({"state_dict": Code()}, "code.ckpt")
    torch.save({"state_dict": {}}, "foreign.ckpt")
    for overrides, *messages in [
        (["ckpt=nowhere.ckpt"], "nowhere.ckpt does not exist"),
        (["ckpt=text.ckpt"], "text.ckpt (13 bytes) can't be loaded"),
        (["ckpt=code.ckpt"], "holds more than tensors and primitives"),
        (["weights=code.ckpt"], "holds more than tensors and primitives"),
        (["ckpt=foreign.ckpt"], "it is not a checkpoint of segrnn, but a file without tensors"),
        ([f"ckpt={good}", "context=renet_lstm"], "belongs to another model", "context: "),
        ([f"ckpt={good}", "model.width=8"], "neck: ", "(16, ", "(8, "),
        ([f"weights={good}", "encoder=resnet18", "encoder.weights=null"], "encoder: "),
        ([f"ckpt={good}", f"weights={good}"], "choose one of"),
        ([f"ckpt={good}", "trainer.max_steps=11"], "step 12, which is later than trainer.max_steps=11"),
    ]:
        assert run("train", *arguments, *overrides, "run_id=bad") == 2
        captured = capsys.readouterr()
        assert "this was run" not in captured.out
        for message in messages:
            assert message in captured.err
        assert not checkpoint_of("bad").exists()
    assert run("train", *arguments, "run_id=whole") == 2
    assert "ckpt=auto" in capsys.readouterr().err
