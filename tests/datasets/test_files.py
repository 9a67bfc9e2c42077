from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.datasets import ADE20K, CamVid, CamVidOriginal, Cityscapes, Folder
from segrnn.errors import DataError


@pytest.mark.parametrize("dataset", [ADE20K, CamVid, CamVidOriginal, Cityscapes, Folder])
def test_an_empty_root_says_the_tree_and_the_override(dataset: type, tmp_path: Path) -> None:
    for split in ("train", "nosuch"):
        with pytest.raises(DataError, match=rf"{tmp_path} holds no (.|\n)*data\.root=") as error:
            dataset(str(tmp_path), split)
        assert dataset.layout in str(error.value)


def test_labels_in_jpeg_are_refused_whatever_they_are_called(camvid: Path) -> None:
    path = camvid / "valannot" / "0001TP_000001.png"
    Image.open(path).save(path, format="JPEG")
    with pytest.raises(DataError, match=r"0001TP_000001\.png is a JPEG, .*make a PNG"):
        CamVid(str(camvid), "val")[1]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.full((36, 52), 34, np.uint8), r"ids \[34\] are not in the CamVid label table"),
        (np.zeros((36, 52, 3), np.uint8), r"has mode RGB; .* is it the colour picture"),
        (np.zeros((36, 52), np.uint16), "has mode I;16; .* convert it"),
        (np.zeros((36, 52), bool), "has mode 1; .* convert it"),
        (np.zeros((30, 40), np.uint8), r"sizes differ: image .* is 52 x 36, label .*0001TP_000001.png is 40 x 30$"),
        (np.zeros((52, 36), np.uint8), "match when turned"),
    ],
    ids=["foreign id", "colour", "16 bit", "1 bit", "size", "turned"],
)
def test_wrong_labels_name_the_file_and_what_was_found(camvid: Path, label: np.ndarray, message: str) -> None:
    path = camvid / "valannot" / "0001TP_000001.png"
    Image.fromarray(label).save(path)
    dataset = CamVid(str(camvid), "val")
    with pytest.raises(DataError, match=message) as error:
        dataset[1]
    assert str(path) in str(error.value)
