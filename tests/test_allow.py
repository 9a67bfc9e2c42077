"""Code of one's own: trained, and then used by every command that is told to allow it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL

import segrnn
from segrnn.errors import CheckpointError

CODE = """
from torch import nn
from segrnn.datasets import CamVid

class Mean(nn.Module):
    "The mean of the map, at each of its positions."

    def __init__(self, channels, weight=1.0):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        return self.weight * x.mean((2, 3), keepdim=True).expand_as(x)

class Frames(CamVid):
    "CamVid, read by a class of one's own."
"""


@pytest.fixture
def trained(run: Callable[..., int], camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a context and a dataset of one's own, in the folder of the command."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mine.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    own = ["context._target_=mine.Mean", "~context.hidden", "~context.cell", "~context.order", "~context.depth"]
    own += ["~context.patch", "+context.weight=0.5", "data.dataset._target_=mine.Frames"]
    settings = [setting for setting in SMALL if not setting.startswith("context.")]
    assert run("train", *settings, "data=camvid", f"data.root={camvid}", *own, "allow=[mine.]", "run_id=own") == 0
    return Path("runs/train/own/checkpoints/best.ckpt")


@pytest.mark.thorough
def test_every_command_takes_the_callers_word(
    trained: Path, run: Callable[..., int], camvid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict = ["predict", f"input={camvid / 'val'}", "output=masks"]
    export = ["export", "output=bundle"]
    measure = ["benchmark", "inference", "sizes=[[32,32]]", "runtimes=[eager]", "repeats=1"]
    for command, *arguments in (["evaluate", "data.workers=0"], predict, export, measure):
        assert run(command, *arguments, f"ckpt={trained}") == 2, command
        assert "mine.Mean" in capsys.readouterr().err
        assert run(command, *arguments, f"ckpt={trained}", "allow=[mine.]") == 0, command
    data = ["data=camvid", f"data.root={camvid}", "data.dataset._target_=mine.Frames"]
    for task, *arguments in (["check", "workers=0"], ["stats", "workers=0"], ["pack", "output=packed", "workers=0"]):
        assert run("prepare", task, *arguments, *data) == 2, task
        assert "mine.Frames" in capsys.readouterr().err
        assert run("prepare", task, *arguments, *data, "allow=[mine.]") == 0, task

    with pytest.raises(CheckpointError, match=r"mine\.Mean"):
        segrnn.load("bundle")
    assert segrnn.load("bundle", allow=["mine."]).segmenter.context["0"].context.weight == 0.5


def test_a_files_own_word_counts_for_nothing(trained: Path, run: Callable[..., int], camvid: Path) -> None:
    """The run's configuration says allow=[mine.], and stands in its checkpoint."""
    start = ["train", *[s for s in SMALL if not s.startswith("context.")], "data=camvid", f"data.root={camvid}"]
    assert run(*start, "context=none", f"weights={trained}", "load_head=false", "run_id=next") == 2
    assert run("evaluate", f"ckpt={trained}", "data=camvid", f"data.root={camvid}") == 2


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("{_target_: torch.nn.ReLU}", "callbacks[0]: torch.nn.ReLU is not a callback of pytorch_lightning"),
        ("{_target_: mine.Tell}", "callbacks[0]._target_='mine.Tell' is not allowed"),
        (
            "{_target_: pytorch_lightning.callbacks.Timer, hours: 1}",
            "callbacks[0] (pytorch_lightning.callbacks.Timer) got an unexpected keyword argument 'hours'",
        ),
    ],
)
def test_what_is_no_callback_is_refused(
    callback: str, message: str, run: Callable[..., int], camvid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", f"callbacks=[{callback}]") == 2
    assert message in capsys.readouterr().err
