"""Real frames, where there are any."""

import numpy as np
import pytest
from conftest import SMALL, Run
from real_frames import REAL_CAMVID, needs_camvid

from segrnn.datasets import CamVid

pytestmark = needs_camvid


def test_frames_and_labels_are_those_of_the_publication() -> None:
    train, val = CamVid(str(REAL_CAMVID), "train"), CamVid(str(REAL_CAMVID), "val")
    assert (len(train), len(val)) == (367, 101)
    counts = np.zeros(256, np.int64)
    for index in range(len(val)):
        sample = val[index]
        assert sample.image.shape == (360, 480, 3)
        counts += np.bincount(sample.mask.ravel(), minlength=256)
    # published shares of the labelled pixels of val, in percent, and of void
    published = [9.34, 26.41, 0.57, 29.46, 8.87, 16.62, 0.91, 3.13, 1.78, 0.66, 2.26]
    np.testing.assert_allclose(100 * counts[:11] / counts[:11].sum(), published, atol=0.005)
    assert 100 * counts[255] / counts.sum() == pytest.approx(1.70, abs=0.005)


@pytest.mark.thorough
def test_a_few_steps_of_the_quick_recipe(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    small = [o for o in SMALL if o.startswith(("encoder", "trainer", "data.workers"))]
    overrides = [
        "experiment=camvid_quick",
        f"data.root={REAL_CAMVID}",
        "data.batch_size=2",
        *small,
        "hydra.run.dir=run",
    ]
    assert run("train", *overrides) == 0
    assert "367 training and 101 validation images, 11 classes" in capsys.readouterr().out
