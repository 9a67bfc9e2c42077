"""The files of one addition of each kind, as a person would write them by following CONTRIBUTING."""

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

PETS_TABLE = '''"""Oxford-IIIT Pet (Parkhi et al. 2012): the animal, what is around it, and a border without a score."""

from segrnn.labels.space import IGNORE_INDEX, Label, LabelSpace

PETS = LabelSpace(
    "Pets",
    [
        Label("pet", 1, 0, (220, 60, 60)),
        Label("background", 2, 1, (60, 60, 60)),
        Label("border", 3, IGNORE_INDEX, (0, 0, 0)),
    ],
)
'''

PETS_FILES = '''"""Oxford-IIIT Pet."""

from pathlib import PurePosixPath
from typing import ClassVar

from segrnn.datasets.files import Named, SegmentationDataset
from segrnn.images.storage import Tree
from segrnn.labels import PETS, LabelSpace


class Pets(SegmentationDataset):
    """The Oxford-IIIT Pet dataset with 2 classes (Parkhi et al. 2012).

    Args:
        root: the folder with ``images`` and ``trimaps``.
        split: ``train`` or ``val``.
        strict: whether an image without a label is an error.

    Raises:
        DataError: the tree is not there, or an image has no label.
    """

    table: ClassVar[LabelSpace] = PETS
    layout = "  images/{train,val}/<name>.jpg\\n  trimaps/{train,val}/<name>.png    ids 1 to 3, 3 is not scored"

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return images and labels, by the stems of their files."""
        images, labels = (
            [(PurePosixPath(name).stem, file) for name, file in tree.files(f"{folder}/{split}").items()]
            for folder in ("images", "trimaps")
        )
        return images, labels
'''

PETS_TREE = '''@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A small Oxford-IIIT Pet: 4 training and 2 validation images."""
    root, rng = tmp_path / "pets", np.random.default_rng(6)
    for split, count in {"train": 4, "val": 2}.items():
        for number in range(count):
            image = root / "images" / split / f"cat_{number}.jpg"
            write_pair(image, root / "trimaps" / split / f"cat_{number}.png", blocks(rng, [1, 2, 3]), rng)
    return root


'''

PETS_TEST = '''"""Oxford-IIIT Pet in its real layout."""

from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL

from segrnn.datasets import Pets
from segrnn.labels import IGNORE_INDEX
from segrnn.train import main


def test_ids_become_train_ids(pets: Path) -> None:
    dataset = Pets(pets, "val")
    assert len(dataset) == 2
    assert set(np.unique(dataset[0].mask)) == {0, 1, IGNORE_INDEX}


def test_it_trains(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train", *SMALL, "data=pets", f"data.root={pets}", "hydra.run.dir=run"])
    main()
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
'''
