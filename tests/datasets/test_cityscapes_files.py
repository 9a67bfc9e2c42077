from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.datasets import Cityscapes
from segrnn.errors import ConfigError, DataError
from segrnn.labels import CITYSCAPES

LABEL = "gtFine/val/frankfurt/frankfurt_000001_000019_gtFine_labelIds.png"


@pytest.mark.parametrize(
    ("split", "annotations", "cities"),
    [
        ("train", "gtFine", ["aachen", "bochum"]),
        ("val", "gtFine", ["frankfurt"]),
        ("train", "gtCoarse", ["aachen", "bochum"]),
        ("val", "gtCoarse", ["frankfurt"]),
        ("train_extra", "gtCoarse", ["troisdorf"]),
    ],
)
def test_label_ids_of_every_split_are_mapped_once(
    cityscapes: Path, split: str, annotations: str, cities: list[str]
) -> None:
    dataset = Cityscapes(str(cityscapes), split, annotations=annotations)
    frames = [f"{city}/{city}_{frame:06d}_000019" for city in cities for frame in range(3)]
    assert [sample.name for sample in dataset] == frames
    for sample in dataset:
        label = cityscapes / annotations / split / f"{sample.name}_{annotations}_labelIds.png"
        assert (sample.mask == CITYSCAPES.encode(np.array(Image.open(label)))).all()
        assert sample.image.shape == (36, 52, 3)


def test_instances_are_ids_and_numbers(cityscapes: Path) -> None:
    dataset = Cityscapes(str(cityscapes), "val")
    for index in range(len(dataset)):
        instances, ids = dataset.read_instances(index), dataset.read_ids(dataset.pairs[index].label)
        assert instances.dtype == np.int64
        assert (np.where(instances > 1000, instances // 1000, instances) == ids).all()
    assert instances.max() > 24_000


def test_instances_may_be_missing(cityscapes: Path) -> None:
    (cityscapes / LABEL.replace("labelIds", "instanceIds")).unlink()
    dataset = Cityscapes(str(cityscapes), "val")
    assert [dataset.read_instances(index) is None for index in range(3)] == [False, True, False]
    assert Cityscapes(str(cityscapes), "train_extra", annotations="gtCoarse").read_instances(0) is None


def test_broken_instances_name_the_file(cityscapes: Path) -> None:
    path = cityscapes / LABEL.replace("labelIds", "instanceIds")
    dataset = Cityscapes(str(cityscapes), "val")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"000001_000019_gtFine_instanceIds\.png \(\d+ bytes\) can't be decoded"):
        dataset.read_instances(1)
    path.unlink()
    with pytest.raises(DataError, match=r"instanceIds\.png does not exist"):
        dataset.read_instances(1)


def test_an_image_without_a_label_is_named(cityscapes: Path) -> None:
    (cityscapes / LABEL).unlink()
    with pytest.raises(DataError, match=r"frankfurt_000001_000019_leftImg8bit\.png has no label"):
        Cityscapes(str(cityscapes), "val")


def test_coarse_labels_are_for_the_split_without_fine_ones(cityscapes: Path) -> None:
    assert Cityscapes(str(cityscapes), "train_extra").annotations == "gtCoarse"
    assert Cityscapes(str(cityscapes), "val").annotations == "gtFine"


def test_there_are_two_kinds_of_annotations(cityscapes: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.dataset\.annotations=fine must be gtFine, gtCoarse or null"):
        Cityscapes(str(cityscapes), "val", annotations="fine")


def rename_labels(root: Path, kind: str) -> None:
    for path in root.glob("gtFine/*/*/*_labelIds.png"):
        path.rename(path.with_name(path.name.replace("labelIds", kind)))


@pytest.mark.parametrize(
    ("change", "split", "annotations", "message"),
    [
        (lambda root: (root / "leftImg8bit").rename(root / "x"), "val", "gtFine", "leftImg8bit_trainvaltest.zip miss"),
        (lambda root: (root / "gtFine").rename(root / "x"), "val", "gtFine", "is gtFine_trainvaltest.zip missing"),
        (lambda root: (root / "gtCoarse").rename(root / "x"), "val", "gtCoarse", "is gtCoarse.zip missing"),
        (
            lambda root: (root / "leftImg8bit/train_extra").rename(root / "x"),
            *("train_extra", "gtCoarse", "is leftImg8bit_trainextra.zip missing"),
        ),
        (lambda root: None, "train_extra", "gtFine", "only coarse labels: remove data.dataset.annotations=gtFine"),
        (lambda root: rename_labels(root, "color"), "val", "gtFine", r"gtFine holds no \*_labelIds\.png: colour pict"),
        (lambda root: rename_labels(root, "labelTrainIds"), "val", "gtFine", "and train ids can't replace these files"),
    ],
    ids=["no images", "no fine", "no coarse", "no extra images", "extra is coarse", "colours", "train ids"],
)
def test_what_is_missing_is_named(
    cityscapes: Path, change: Callable[[Path], None], split: str, annotations: str, message: str
) -> None:
    change(cityscapes)
    with pytest.raises(DataError, match=message):
        Cityscapes(str(cityscapes), split, annotations=annotations)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full((36, 52), 255, np.uint8), "look like train ids: use the original"),
        (np.zeros((36, 52, 3), np.uint8), "has mode RGB; .*is it the colour picture"),
        (np.full((36, 52), 34, np.uint8), r"ids \[34\] are not in the Cityscapes label table"),
    ],
    ids=["train ids", "colours", "foreign"],
)
def test_what_is_not_label_ids_is_recognised(cityscapes: Path, label: np.ndarray, message: str) -> None:
    Image.fromarray(label).save(cityscapes / LABEL)
    with pytest.raises(DataError, match=message) as error:
        Cityscapes(str(cityscapes), "val")[1]
    assert str(cityscapes / LABEL) in str(error.value)
