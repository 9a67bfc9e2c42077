"""Ten steps of the demo lose what they lost before. ``python tests/training/test_golden_losses.py`` renews the figures.

Renew them only if a change of the arithmetic is meant, and say so in the commit.
"""

import json
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from torch import Tensor

from segrnn.config.composition import compose
from segrnn.config.schema import Train
from segrnn.tasks.train import train
from segrnn.training.module import SegmentationModule

FIGURES = Path(__file__).with_name("golden_losses.json")
TOLERANCE = 1e-3
"""Relative. Processors round differently: without AVX-512, the ten losses differ by up to 3e-4."""


def losses_of_ten_steps(folder: Path) -> list[float]:
    """Train the demo, which is drawn into the folder."""
    losses = []
    step = SegmentationModule.training_step

    def record(module: SegmentationModule, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        result = step(module, batch)
        losses.append(float(result["loss"]))
        return result

    overrides = ["trainer.accelerator=cpu", "trainer.max_steps=10", "trainer.validate_every_n_steps=10"]
    overrides += ["trainer.max_val_images=1", "examples.count=1", "data.workers=0", f"data.root={folder}/demo"]
    with patch.object(SegmentationModule, "training_step", record):
        train(compose(Train, overrides), folder / "run")
    return losses


@pytest.mark.slow
def test_ten_steps_of_the_demo_lose_what_they_lost(tmp_path: Path) -> None:
    assert losses_of_ten_steps(tmp_path) == pytest.approx(json.loads(FIGURES.read_text()), rel=TOLERANCE)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        figures = losses_of_ten_steps(Path(temporary))
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
