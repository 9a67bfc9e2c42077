"""The length of a run, in steps or in passes over the images."""

from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run, composed

from segrnn.errors import ConfigError
from segrnn.training.length import count_steps

WITHOUT = [each for each in SMALL if not each.startswith("trainer.max_steps")]


def steps_of(run_id: str) -> int:
    return torch.load(f"runs/train/{run_id}/checkpoints/last.ckpt", weights_only=True)["global_step"]


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ([], 250),
        (["trainer.max_steps=7"], 7),
        (["trainer.epochs=2"], 3),
        (["trainer.epochs=0.5"], 1),
        (["trainer.epochs=0.001"], 1),
        (["experiment=camvid", "trainer.max_steps=null", "trainer.epochs=1"], 2),
        (["experiment=camvid"], 1500),
        (["debug=fast"], 2),
    ],
)
def test_steps(overrides: list[str], steps: int) -> None:
    assert count_steps(composed(*overrides).trainer, images=6, batch_size=4) == steps


def test_images_that_are_shown_more_often_make_a_pass_longer() -> None:
    assert count_steps(composed("trainer.epochs=2").trainer, images=7.5, batch_size=4) == 4


@pytest.mark.parametrize("recipe", ["experiment=camvid", "debug=fast", "trainer.max_steps=3"])
def test_one_of_two_lengths_must_go(recipe: str) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.max_steps=\d+ and trainer\.epochs=1\.5 both give the length"):
        composed(recipe, "trainer.epochs=1.5")


@pytest.mark.slow
def test_a_run_in_epochs_goes_on_in_epochs(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*WITHOUT, "data=camvid", f"data.root={camvid}", "run_id=run"]
    assert run("train", *arguments, "trainer.epochs=1") == 0
    assert "trainer.epochs=1 is trainer.max_steps=2, with 4 crops a step and 6 images" in capsys.readouterr().out
    assert steps_of("run") == 2
    assert run("train", *arguments, "trainer.epochs=1.5", "ckpt=auto") == 0
    assert "trainer.epochs: 1.0 -> 1.5" in capsys.readouterr().out
    assert steps_of("run") == 3
    assert run("train", *arguments, "trainer.epochs=1", "ckpt=auto") == 2
    assert "is from step 3, which is later than trainer.epochs=1, 2 steps" in capsys.readouterr().err
