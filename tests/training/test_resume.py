"""A run that comes back is the run that was started, to the bit."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SMALL

from segrnn.training import SegmentationModule

RECIPE = [  # everything random that a network and its data can have
    *SMALL,
    "trainer.max_steps=12",
    "trainer.validate_every_n_steps=4",
    "checkpoint.every_n_steps=5",
    "data.batch_size=4",
    "data.flip=0.5",
    "data.color=0.5",
    "schedule=poly",
    "data=camvid",
]


class Killed(BaseException):
    """What no code of the run can react to."""


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


def kill_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original = SegmentationModule.training_step

    def dying(module: SegmentationModule, batch: tuple) -> dict:
        if module.trainer.global_step == step:
            raise Killed
        return original(module, batch)

    monkeypatch.setattr(SegmentationModule, "training_step", dying)


def contents(path: Path) -> dict:
    return torch.load(path, weights_only=True)


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


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["data.workers=2"],
        ["trainer.micro_batch_size=2", "trainer.ema_decay=0.5", "data.workers=2"],
        ["optimizer=sgd", "trainer.ema_decay=0.9"],
    ],
    ids=["plain", "workers", "all", "sgd"],
)
def test_killed_and_resumed_is_the_same_run(
    camvid: Path,
    run: Callable,
    steps: list,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
) -> None:
    arguments = [*RECIPE, f"data.root={camvid}", *overrides]
    run("train", *arguments, "run_id=whole")
    whole = steps.copy()
    assert len(whole) == 12
    steps.clear()

    with monkeypatch.context() as patch:
        kill_after(7, patch)
        with pytest.raises(Killed):
            run("train", *arguments, "run_id=parts")
    assert steps == whole[:7]
    steps.clear()
    assert run("train", *arguments, "run_id=parts", "ckpt=auto") == 0
    assert steps == whole[5:]  # six images: in the middle of a pass
    assert "last.ckpt, step 5 of 12" in capsys.readouterr().out
    for name in ("last", "best", "previous"):
        expected, found = (contents(Path(f"runs/train/{run}/checkpoints/{name}.ckpt")) for run in ("whole", "parts"))
        for each in (expected, found):
            del each["segrnn"]
            each["loops"].clear()
        assert_same(expected, found)
