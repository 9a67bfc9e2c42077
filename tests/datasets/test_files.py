from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.datasets import CamVid, Cityscapes, read_image, read_label
from segrnn.errors import DataError
from segrnn.labels import CITYSCAPES


def test_cityscapes_maps_label_ids_once(cityscapes: Path) -> None:
    dataset = Cityscapes(str(cityscapes), "train")
    assert len(dataset) == 6
    sample = dataset[4]
    assert sample.name == "bochum/bochum_000001_000019"
    label = cityscapes / "gtFine/train/bochum/bochum_000001_000019_gtFine_labelIds.png"
    assert (sample.mask == CITYSCAPES.encode(np.array(Image.open(label)))).all()
    assert sample.image.shape == (36, 52, 3)


def test_camvid_finds_files_by_stem_under_any_root(camvid: Path) -> None:
    dataset = CamVid(str(camvid), "val")
    assert [pair.image.suffix for pair in dataset.pairs] == [".jpg", ".png", ".png", ".png", ".png"]
    ids = np.array(Image.open(camvid / "valannot" / "0001TP_000003.png"))
    assert (dataset[3].mask == np.where(ids == 11, 255, ids)).all()


@pytest.mark.parametrize("dataset", [CamVid, Cityscapes])
def test_a_missing_root_says_the_tree_and_the_override(dataset: type, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.* does not exist(.|\n)*\{train,val,test\}(.|\n)*data\.root="):
        dataset(str(tmp_path / "nowhere"), "train")


def test_missing_parts_are_named(camvid: Path, cityscapes: Path) -> None:
    with pytest.raises(DataError, match="holds no images of the split 'trainval'"):
        CamVid(str(camvid), "trainval")
    (camvid / "trainannot" / "0001TP_000001.png").unlink()
    with pytest.raises(DataError, match=r"train/0001TP_000001\.png has no label(.|\n)*annot/<frame>"):
        CamVid(str(camvid), "train")
    (camvid / "val" / "0001TP_000002.png").unlink()
    with pytest.raises(DataError, match=r"frame 0001TP_000002 of .*val\.txt has no image in val/"):
        CamVid(str(camvid), "val")
    (camvid / "test.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no frames"):
        CamVid(str(camvid), "test")
    label = cityscapes / "gtFine/val/frankfurt/frankfurt_000001_000019_gtFine_labelIds.png"
    label.unlink()
    with pytest.raises(DataError, match=r"frankfurt_000001_000019_leftImg8bit\.png has no label"):
        Cityscapes(str(cityscapes), "val")
    (cityscapes / "leftImg8bit" / "empty").mkdir()
    with pytest.raises(DataError, match="holds no"):
        Cityscapes(str(cityscapes), "empty")


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "RGB", "CMYK", "1"])
def test_every_kind_of_image_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new("RGB", (5, 4), (200, 200, 200)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8


def test_a_palette_is_not_applied_to_labels(tmp_path: Path) -> None:
    label = Image.fromarray(np.array([[0, 7, 11]], np.uint8)).convert("P")
    label.putpalette([255, 0, 0] * 256)
    label.save(tmp_path / "label.png")
    assert read_label(tmp_path / "label.png").tolist() == [[0, 7, 11]]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_broken_images_name_the_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"image{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    truncate(path)
    with pytest.raises(DataError, match=rf"image\{suffix} \(\d+ bytes\) can't be decoded: .*trunc"):
        read_image(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"\(0 bytes\) can't be decoded: the file is empty"):
        read_image(path)
    path.write_text("<html>not found</html>")
    with pytest.raises(DataError, match="cannot identify image file"):
        read_image(path)
    path.unlink()
    with pytest.raises(DataError, match="does not exist"):
        read_image(path)


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


def test_train_ids_in_place_of_label_ids_are_recognised(cityscapes: Path) -> None:
    path = cityscapes / "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelIds.png"
    Image.fromarray(np.full((36, 52), 255, np.uint8)).save(path)
    with pytest.raises(DataError, match="look like train ids"):
        Cityscapes(str(cityscapes), "val")[0]
