"""What CONTRIBUTING says an addition costs: one of each kind is added to a copy of the repository, and works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL

ROOT = Path(__file__).parent.parent

CONTEXT = '''"""The mean of the map, at each of its positions."""

import torch
from torch import Tensor, nn

from segrnn.context.arguments import check_map, positive


class Mean(nn.Module):
    """Gives each position the mean of the whole map, ``(B, C, H, W) -> (B, C, H, W)``.

    Args:
        channels: C of the input.

    Raises:
        ValueError: a number is below 1.

    Example:
        >>> Mean(channels=4)(torch.zeros(2, 4, 5, 7)).shape
        torch.Size([2, 4, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = positive("channels", channels)
        self.project = nn.Conv2d(channels, channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Average ``(B, C, H, W)``; same shape out."""
        check_map(x, self.channels)
        return self.project(x).mean((2, 3), keepdim=True).expand_as(x)
'''

LOSS = '''"""The Brier score as a loss."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.labels import IGNORE_INDEX
from segrnn.ops.precision import single


class Brier(nn.Module):
    """Squares the distance of probabilities to the truth: ``(B, K, H, W), (B, H, W) -> ()`` (Brier 1950).

    Example:
        >>> Brier()(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.int64))
        tensor(0.5000)
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare ``(B, K, H, W)`` with ``(B, H, W)``; a scalar."""
        valid = target != IGNORE_INDEX
        truth = F.one_hot(torch.where(valid, target, 0), logits.shape[1]).movedim(-1, 1)
        distance = (single(logits).softmax(dim=1) - truth).square().sum(dim=1)
        return torch.where(valid, distance, 0).sum() / valid.sum().clamp(min=1)
'''


LEAKY = '''@_replaceable
def leaky(x: Tensor, weights: Weights) -> Tensor:
    """Run a leaky integrator, ``(T, N, C) -> (T, N, D)``: a state moves halfway to ``tanh(W x_t + b)``.

    The weights of each direction are ``weight_ih (D, C), bias_ih (D)``.

    Example:
        >>> leaky(torch.zeros(5, 2, 3), [[torch.zeros(4, 3), torch.zeros(4)]]).shape
        torch.Size([5, 2, 4])
    """
    return _run(_leaky, x, weights)


def _leaky(x: Tensor, weights: Weights) -> Tensor:
    outputs = []
    for (weight, bias), reverse in zip(weights, (False, True), strict=False):
        states = [x.new_zeros(x.shape[1], len(weight))]
        for own in reversed(x) if reverse else x:
            states.append(0.5 * states[-1] + 0.5 * torch.tanh(own @ weight.T + bias))
        outputs.append(torch.stack(states[:0:-1] if reverse else states[1:]))
    return torch.cat(outputs, dim=2)


'''

LEAKY_TWIN = '''

def leaky(x: Tensor, weight_ih: Tensor, bias_ih: Tensor) -> Tensor:
    """Run a leaky integrator.

    ::

        h_t = (h_{t-1} + tanh(W x_t + b)) / 2
    """
    state = _zeros(x, len(weight_ih))
    states = []
    for x_t in x:
        state = (state + torch.tanh(F.linear(x_t, weight_ih, bias_ih))) / 2
        states.append(state)
    return torch.stack(states)
'''


class Copy:
    """A clone of the repository whose package is used in place of the installed one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        (folder / "segrnn" / "conf").symlink_to("../conf")
        with (folder / ".git" / "info" / "exclude").open("a") as file:
            file.write("segrnn/conf\n")

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def changed(self) -> set[str]:
        subprocess.run(["git", "add", "-A"], cwd=self.folder, check=True)
        listed = subprocess.run(
            ["git", "diff", "--cached", "--name-only"], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return set(listed.stdout.split())


@pytest.fixture
def copied(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "copy")


def promised(kind: str) -> int:
    """How many files CONTRIBUTING names for an addition."""
    found = re.search(rf"\*\*{kind}[^*]*: (\d+) files\*\*", (ROOT / "CONTRIBUTING.md").read_text())
    assert found is not None
    return int(found[1])


def trains(copied: Copy, camvid: Path, *overrides: str) -> str:
    small = [setting for setting in SMALL if not setting.startswith("context.")]
    done = copied.run("-m", "segrnn.train", *small, "data=camvid", f"data.root={camvid}", *overrides)
    assert done.returncode == 0, done.stderr
    return done.stdout


def passes(copied: Copy, *arguments: str) -> None:
    done = copied.run("-m", "pytest", "-q", "-n", "0", *arguments)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.slow
def test_a_context(copied: Copy, camvid: Path) -> None:
    copied.write("segrnn/context/mean.py", CONTEXT)
    copied.replace(
        "segrnn/context/__init__.py",
        "\n__all__ = [",
        "from segrnn.context.mean import Mean\n\n__all__ = [\n    'Mean',",
    )
    copied.write("conf/context/mean.yaml", "_target_: segrnn.context.Mean\n_partial_: true\nstride: 8\n")
    copied.replace("docs/contexts.md", "## Controls", "## Mean\n\ncosts: mean\n\n## Controls")
    copied.replace(
        "tests/context/test_contexts.py", "    CrissCrossAttention,\n", "    CrissCrossAttention,\n    Mean,\n"
    )
    copied.replace("tests/context/test_contexts.py", '    "lrnn":', '    "mean": lambda: Mean(CHANNELS),\n    "lrnn":')
    assert len(copied.changed()) == promised("A context")
    trains(copied, camvid, "context=mean")
    passes(copied, "tests/context/test_contexts.py", "-k", "mean")
    passes(copied, "tests/config/test_conf.py", "-k", "mean or described")


@pytest.mark.thorough
def test_a_loss(copied: Copy, camvid: Path) -> None:
    copied.write("segrnn/losses/brier.py", LOSS)
    copied.replace(
        "segrnn/losses/__init__.py", "\n__all__ = [", "from segrnn.losses.brier import Brier\n\n__all__ = ['Brier', "
    )
    copied.write("conf/loss/brier.yaml", "_target_: segrnn.losses.Brier\n")
    copied.replace("tests/losses/test_all_losses.py", "import OHEM,", "import OHEM, Brier,")
    copied.replace(
        "tests/losses/test_all_losses.py",
        "LOSSES: dict[str, Callable[[], nn.Module]] = {",
        "LOSSES: dict[str, Callable[[], nn.Module]] = {\n    'brier': Brier,",
    )
    copied.replace("README.md", "`focal`,", "`focal`, `brier`,")
    assert len(copied.changed()) == promised("A loss")
    trains(copied, camvid, "loss=brier")
    passes(copied, "tests/losses/test_all_losses.py", "-k", "brier")


@pytest.mark.thorough
def test_a_knob(copied: Copy, camvid: Path) -> None:
    copied.replace(
        "segrnn/config/schema.py",
        "    profile: bool = knob(",
        '    greeting: str = knob("what a run says first", "hello")\n    profile: bool = knob(',
    )
    copied.replace(
        "segrnn/tasks/train.py",
        "    allow = config.allow\n",
        "    allow = config.allow\n    say(config.trainer.greeting)\n",
    )
    assert len(copied.changed()) == promised("A knob of a command")
    assert trains(copied, camvid).startswith("hello\n")
    assert trains(copied, camvid, "trainer.greeting='good day'", "run_id=second").startswith("good day\n")
    assert "greeting: hello" in copied.run("-m", "segrnn.train", "--help").stdout
    wrong = copied.run("-m", "segrnn.train", "trainer.greting=x")
    assert wrong.returncode == 2
    assert "did you mean trainer.greeting?" in wrong.stderr


@pytest.mark.thorough
def test_a_recurrent_cell(copied: Copy, camvid: Path) -> None:
    copied.replace("segrnn/ops/recurrences.py", "@torch.compiler.disable", f"{LEAKY}@torch.compiler.disable")
    twins = (copied.folder / "segrnn/ops/reference.py").read_text(encoding="utf-8")
    copied.write("segrnn/ops/reference.py", twins + LEAKY_TWIN)
    copied.replace("segrnn/ops/__init__.py", "gru, lstm,", "gru, leaky, lstm,")
    copied.replace("segrnn/ops/__init__.py", '    "lstm",', '    "leaky",\n    "lstm",')
    copied.replace(
        "segrnn/context/cells.py",
        "CELLS = {\n",
        'CELLS = {\n    "leaky": Cell(partial(GatedByInput, gates=1), ops.leaky, _no_gates),\n',
    )
    copied.replace(
        "tests/ops/test_recurrences.py", "PAIRS = [\n", "PAIRS = [\n    Pair(ops.leaky, reference.leaky, 1, False),\n"
    )
    copied.replace("tests/ops/test_recurrences.py", "PAIRS[4:]", "PAIRS[5:]")
    copied.replace(
        "docs/contexts.md", "| `mingru` |", "| `leaky` | $(h_{t-1} + \\tanh(W x_t + b)) / 2$ |\n| `mingru` |"
    )
    assert len(copied.changed()) == promised("A recurrent cell")
    trains(copied, camvid, "context=renet_gru", "context.cell=leaky")
    passes(copied, "tests/ops/test_recurrences.py", "-k", "leaky")
    passes(copied, "tests/context/test_contexts.py", "-k", "renet_leaky")


@pytest.mark.thorough
def test_a_decoder(copied: Copy, camvid: Path) -> None:
    copied.write(
        "conf/model/manet.yaml",
        "# MA-Net (Fan et al. 2020).\n_target_: segmentation_models_pytorch.MAnet\n_partial_: true\n"
        "encoder_name: ${encoder.name}\ndecoder_pab_channels: 8\n",
    )
    copied.replace(
        "segrnn/models/architecture.py",
        '    "segmentation_models_pytorch.FPN",\n',
        '    "segmentation_models_pytorch.FPN",\n    "segmentation_models_pytorch.MAnet",\n',
    )
    copied.replace(
        "segrnn/models/architecture.py",
        '        "decoder_use_norm",\n',
        '        "decoder_pab_channels",\n        "decoder_use_norm",\n',
    )
    copied.replace("tests/config/test_conf.py", '"upernet", "pspnet"]', '"upernet", "pspnet", "manet"]')
    copied.replace("tests/export/export_networks.py", '"unet": smp.Unet,', '"unet": smp.Unet, "manet": smp.MAnet,')
    copied.replace("README.md", "`pspnet`,", "`pspnet`, `manet`,")
    assert len(copied.changed()) == promised("A decoder")
    small = [setting for setting in SMALL if not setting.startswith(("model.", "context."))]
    done = copied.run("-m", "segrnn.train", *small, "data=camvid", f"data.root={camvid}", "model=manet", "context=none")
    assert done.returncode == 0, done.stderr
    passes(copied, "tests/config/test_conf.py", "-k", "manet")
