"""Every recipe trains: its network, auxiliary head, loss and schedule, on small data in the layout of its dataset.

That recipes compose, have the right types and bind to what they configure is tested with all other files of conf/.
"""

import csv
import math
from pathlib import Path

import pytest
import segrnn.conf
import torch
from conftest import Run

from segrnn.datasets.demo_pages import write_demo_pages

SHORT = [  # the recipe as it is, but for sizes, lengths and weights that would be downloaded
    "encoder.weights=null",
    "data.batch_size=2",
    "data.crop=[32,32]",
    "data.workers=0",
    "trainer=cpu",
    "trainer.max_steps=2",
]
LOWER = ["data.base_size=[36,144]"]
WARMED_UP = [*LOWER, "schedule.warmup_steps=1"]
RECIPES = {  # layout, further overrides, the learning rate after the last step, where the schedule has one
    "ade20k_80k": ("ade20k", LOWER, 1e-4),
    "ade20k_160k": ("ade20k", LOWER, 1e-4),
    "ade20k_160k_adamw": ("ade20k", WARMED_UP, 0),
    "ade20k_160k_convnext": ("ade20k", [*WARMED_UP, "trainer.precision=bf16-mixed"], 0),  # no 16-mixed on the CPU
    "camvid": ("camvid", [], None),
    "camvid_quick": ("camvid", [], None),
    "cityscapes_40k": ("cityscapes", [], 1e-4),
    "cityscapes_80k": ("cityscapes", [], 1e-4),
    "pages": ("pages", [], None),
    "reseg_camvid": ("camvid", [], 1),
}
QUICKEST = "camvid_quick"


@pytest.fixture
def pages(run: Run) -> Path:
    """A few drawn pages as a folder, with the statistics that the recipe reads."""
    write_demo_pages(Path("drawn"), train=4, val=2)
    assert run("prepare", "stats", "data=folder", "data.root=drawn", "output=drawn/stats.json") == 0
    return Path("drawn").resolve()


def how_often(name: str) -> list[pytest.MarkDecorator]:
    """The quickest recipe often, the others seldom."""
    return [pytest.mark.slow if name == QUICKEST else pytest.mark.thorough]


@pytest.mark.parametrize("name", [pytest.param(name, marks=how_often(name)) for name in RECIPES])
def test_the_recipe_trains(name: str, run: Run, request: pytest.FixtureRequest) -> None:
    layout, overrides, rate = RECIPES[name]
    root = request.getfixturevalue(layout)
    assert run("train", f"experiment={name}", f"data.root={root}", *SHORT, *overrides, "hydra.run.dir=trained") == 0

    with Path("trained/csv/metrics.csv").open() as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert losses
    assert all(0 < loss < math.inf for loss in losses)
    optimizer = torch.load("trained/checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]
    groups = optimizer["param_groups"]
    assert rate is None or all(group["lr"] == pytest.approx(rate, abs=1e-7) for group in groups)
    # what never had a gradient, such as a head that is not in the loss, has no state
    assert len(optimizer["state"]) == sum(len(group["params"]) for group in groups)


def test_every_recipe_is_trained_here() -> None:
    assert set(RECIPES) == {path.stem for path in (Path(segrnn.conf.__file__).parent / "experiment").glob("*.yaml")}
