"""The sheet of augmented samples, as a whole command."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, composed
from PIL import Image

from segrnn.config.augment import build_augmentation
from segrnn.config.data import build_dataset
from segrnn.datasets import Augmented, EndlessSampler, Sample
from segrnn.tasks import prepare


def test_the_sheet_shows_the_first_samples_of_a_training(
    run: Run, own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Sample] = []
    write = prepare.write_sheet

    def write_sheet(samples: list[Sample], *rest: object) -> None:
        drawn.extend(samples)
        write(samples, *rest)

    monkeypatch.setattr(prepare, "write_sheet", write_sheet)
    data = ["data=folder", f"data.root={own_folder}", "data.crop=[24,40]", "augment=documents"]
    assert run("prepare", "look", *data, "count=6", "seed=3") == 0
    sheet = "runs/look/folder_train.png"
    assert f"{sheet}: 6 samples, as a training with seed=3 begins" in capsys.readouterr().out
    with Image.open(sheet) as picture:
        assert picture.width == 1400
        assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) > 100

    config = composed(*data, "seed=3")
    dataset = build_dataset(config.data, "train")
    samples = Augmented(dataset, build_augmentation(config.data, 3, config.seed))
    keys = list(islice(EndlessSampler(len(dataset), config.seed), 6))
    for sample, (counter, index) in zip(drawn, keys, strict=True):
        image, mask = samples[counter, index]
        assert sample.name == dataset.pairs[index].name
        assert np.array_equal(sample.image, image.permute(1, 2, 0))
        assert np.array_equal(sample.mask, mask)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment=stronk", "the group augment has no option 'stronk' (did you mean strong?); it has aerial, default"),
        ("data.augment={_target_: albumentations.Rotate}", "only a list can replace a list"),
        ("data.augment=[[albumentations.Rotate]]", "must be a list of groups of keys"),
        ("data.augment=[{_target_: albumentations.Rotatee}]", "has no attribute 'Rotatee' (did you mean Rotate?)"),
    ],
)
def test_mistakes_are_one_message(override: str, message: str, run: Run, own_folder: Path, capsys) -> None:
    assert run("prepare", "look", "data=folder", f"data.root={own_folder}", override) == 2
    assert message in capsys.readouterr().err
