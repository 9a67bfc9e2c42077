"""What CONTRIBUTING says an addition costs: one of each kind is added to a copy of the repository, and works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from addition_sources import CONTEXT, LEAKY, LEAKY_TWIN, LOSS, PETS_FILES, PETS_TABLE, PETS_TEST, PETS_TREE
from conftest import SMALL

ROOT = Path(__file__).parent.parent


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


@pytest.mark.thorough
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


LAST = '''"""A network that reads the encoder's last map alone."""

from torch import Tensor, nn

from segrnn.models.encoders import levels, make_encoder
from segrnn.models.fcn import Convolution


class Last(nn.Module):
    """A 3 x 3 convolution and a classifier on the map at stride 8.

    Args:
        encoder_name: any encoder of segmentation_models_pytorch.
        classes: K, the number of classes.
        in_channels: C, the number of channels of an image.

    Shapes:
        ``(B, C, H, W) -> (B, K, H, W)``, H and W divisible by 8.

    Example:
        >>> Last("resnet18", classes=4)(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 4, 64, 96])
    """

    def __init__(self, encoder_name: str, classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = make_encoder(encoder_name, depth=3, in_channels=in_channels)
        width = levels(self.encoder)[-1].channels
        self.decoder = Convolution(width)
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(width, classes, kernel_size=1), nn.Upsample(scale_factor=8, mode="bilinear")
        )

    def forward(self, image: Tensor) -> Tensor:
        """Segment ``(B, C, H, W)`` into logits ``(B, K, H, W)``."""
        return self.segmentation_head(self.decoder(self.encoder(image)))
'''


@pytest.mark.thorough
def test_a_decoder(copied: Copy, camvid: Path) -> None:
    copied.write("segrnn/models/last.py", LAST)
    copied.replace(
        "segrnn/models/__init__.py", "\n__all__ = [", "from segrnn.models.last import Last\n\n__all__ = ['Last', "
    )
    copied.replace(
        "segrnn/models/architecture.py",
        '    "segrnn.models.FCN",\n',
        '    "segrnn.models.FCN",\n    "segrnn.models.Last",\n',
    )
    copied.write(
        "conf/model/last.yaml",
        "# The encoder's last map.\n_target_: segrnn.models.Last\n_partial_: true\nencoder_name: ${encoder.name}\n",
    )
    copied.replace("tests/config/test_conf.py", '"upernet", "pspnet")', '"upernet", "pspnet", "last")')
    copied.replace("README.md", "`pspnet`,", "`pspnet`, `last`,")
    assert len(copied.changed()) == promised("A decoder")
    small = [setting for setting in SMALL if not setting.startswith(("model.", "context."))]
    done = copied.run("-m", "segrnn.train", *small, "data=camvid", f"data.root={camvid}", "model=last", "context=none")
    assert done.returncode == 0, done.stderr
    passes(copied, "tests/config/test_conf.py", "-k", "last")


@pytest.mark.thorough
def test_a_dataset(copied: Copy) -> None:
    copied.write("segrnn/labels/pets_classes.py", PETS_TABLE)
    copied.replace(
        "segrnn/labels/__init__.py",
        "\n__all__ = [",
        "from segrnn.labels.pets_classes import PETS\n\n__all__ = [\n    'PETS',",
    )
    copied.write("segrnn/datasets/pets.py", PETS_FILES)
    copied.replace(
        "segrnn/datasets/__init__.py",
        "\n__all__ = [",
        "from segrnn.datasets.pets import Pets\n\n__all__ = [\n    'Pets',",
    )
    copied.write(
        "conf/data/pets.yaml",
        "# Oxford-IIIT Pet.\ndefaults:\n  - base\n  - _self_\n\nname: pets\nroot: data/pets\ncrop: [224, 224]\n"
        "dataset:\n  _target_: segrnn.datasets.Pets\n  _partial_: true\n",
    )
    copied.write(
        "conf/download/pets.yaml",
        "# Oxford-IIIT Pet.\n_target_: segrnn.dataset_tools.download.download_files\n_partial_: true\nfiles:\n"
        "  images:\n    _target_: segrnn.dataset_tools.download.WebFile\n    name: images.tar.gz\n"
        "    url: https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz\n    checksum: null\n",
    )
    copied.replace("data/README.md", "\n## ", "\n## Oxford-IIIT Pet\n\n`images/` and `trimaps/`.\n\n## ")
    copied.replace("docs/datasets.md", "| `ade20k` |", "| `pets` | | | |\n| `ade20k` |")
    copied.replace(
        "tests/conftest.py", "@pytest.fixture\ndef own_folder", f"{PETS_TREE}@pytest.fixture\ndef own_folder"
    )
    copied.write("tests/datasets/test_pets_files.py", PETS_TEST)
    assert len(copied.changed()) == promised("A dataset")
    passes(copied, "tests/datasets/test_pets_files.py")
    passes(copied, "tests/config/test_conf.py", "-k", "pets or described")
