from pathlib import Path

import numpy as np
import pytest
from conftest import write_pair
from PIL import Image

from segrnn.datasets import ADE20K
from segrnn.errors import DataError


@pytest.mark.parametrize(("split", "folder", "count"), [("train", "training", 5), ("val", "validation", 3)])
def test_ids_become_train_ids_at_every_size(ade20k: Path, split: str, folder: str, count: int) -> None:
    dataset = ADE20K(str(ade20k), split)
    assert [sample.name for sample in dataset] == [f"ADE_{split}_{number + 1:08d}" for number in range(count)]
    assert len({sample.image.shape for sample in dataset}) == count
    for sample in dataset:
        ids = np.array(Image.open(ade20k / "annotations" / folder / f"{sample.name}.png")).astype(int)
        assert (sample.mask == np.where(ids == 0, 255, ids - 1)).all()


def test_the_folder_above_may_be_the_root(ade20k: Path) -> None:
    assert len(ADE20K(str(ade20k.parent), "val")) == 3


def test_a_grey_photograph_becomes_rgb(ade20k: Path) -> None:
    with Image.open(ade20k / "images/validation/ADE_val_00000001.jpg") as published:
        assert published.mode == "L"
    image = ADE20K(str(ade20k), "val")[0].image
    assert image.shape == (*image.shape[:2], 3)
    assert (image == image[..., :1]).all()


def test_an_image_without_a_label_is_named(ade20k: Path) -> None:
    (ade20k / "annotations/validation/ADE_val_00000002.png").unlink()
    with pytest.raises(DataError, match=r"image .*ADE_val_00000002\.jpg has no label"):
        ADE20K(str(ade20k), "val")


@pytest.mark.parametrize(
    "scene", ["images/ADE/training/urban/street", "images/training/s/street"], ids=["2021", "2016"]
)
def test_the_full_dataset_is_recognised_by_its_tree(tmp_path: Path, scene: str) -> None:
    image = tmp_path / scene / "ADE_train_00000001.jpg"
    write_pair(image, image.with_name(f"{image.stem}_seg.png"), np.zeros((4, 5), int), np.random.default_rng(0))
    (tmp_path / "index_ade20k.pkl").write_bytes(b"")
    with pytest.raises(DataError, match=r"This is the full ADE20K.*ADEChallengeData2016\.zip"):
        ADE20K(str(tmp_path), "train")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full((41, 63), 255, np.uint8), r"ids \[255\] are not in the ADE20K .*shifted by one \(0 becomes 255\)\?"),
        (np.full((41, 63), 151, np.uint8), r"ids \[151\] are not in the ADE20K label table"),
        (np.zeros((41, 63, 3), np.uint8), "has mode RGB; .*the full ADE20K has such labels"),
        (np.zeros((41, 63), np.uint16), "has mode I;16; "),
    ],
    ids=["shifted", "too many classes", "full dataset", "16 bits"],
)
def test_labels_of_another_kind_are_recognised(ade20k: Path, label: np.ndarray, message: str) -> None:
    path = ade20k / "annotations/validation/ADE_val_00000001.png"
    Image.fromarray(label).save(path)
    with pytest.raises(DataError, match=message) as error:
        ADE20K(str(ade20k), "val")[0]
    assert str(path) in str(error.value)
