from pathlib import Path

import numpy as np
import pytest
from conftest import zipped
from PIL import Image

from segrnn.datasets import CamVidOriginal, Cityscapes, Folder, Sample, SegmentationDataset
from segrnn.errors import DataError
from segrnn.inference import GivenMasks

CLASSES = "classes: [road, {name: sky, id: 7}, {name: tree, id: 3}]\n"


def save(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two images of one name in two folders, and one more."""
    rng = np.random.default_rng(0)
    root = tmp_path / "own"
    for name in ("day/a", "night/a", "b"):
        save(root / f"images/val/{name}.png", rng.integers(0, 256, (4, 6, 3), np.uint8))
        save(root / f"masks/val/{name}.png", rng.choice(np.uint8([0, 3, 7, 255]), (4, 6)))
    (root / "classes.yaml").write_text(CLASSES)
    return Folder(str(root), "val")


def write_masks(root: Path, *names: str, shape: tuple[int, int] = (4, 6)) -> None:
    """Masks that differ from one another."""
    for number, name in enumerate(names):
        save(root / name, np.full(shape, [0, 7, 3][number], np.uint8))


def open_masks(source: Path, dataset: SegmentationDataset) -> GivenMasks:
    return GivenMasks(source, dataset, lambda line: None)


def test_masks_are_found_by_name_and_folder(folder: Folder, tmp_path: Path) -> None:
    write_masks(tmp_path / "masks", "run 1/day/a.png", "run 1/night/a.tif", "b.bmp")
    write_masks(tmp_path / "masks", "other.png")
    (tmp_path / "masks/notes.txt").write_text("no picture")
    for source in (tmp_path / "masks", zipped(tmp_path / "masks", tmp_path / "masks.zip")):
        said: list[str] = []
        masks = GivenMasks(source, folder, said.append)
        read = {sample.name: masks.read(sample) for sample in folder}
        assert {name: (mask[0, 0], ids[0, 0]) for name, (mask, ids) in read.items()} == {
            "b": (2, 3),
            "day/a": (0, 0),
            "night/a": (1, 7),
        }
        assert said == [f"{source}: 1 picture that no image of the split 'val' is named like"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["b.png", "aa.png"], r"2 of 3 images of the split 'val' have no mask, e\.g\. .*day/a\.png.* named a\.png"),
        (["b.png", "a.png"], r"a\.png could be the mask of both .*day/a\.png and .*night/a\.png: put masks into fold"),
        (["b.png", "day/a.png", "day/a.tif"], r"both day/a\.png and day/a\.tif could be the mask of .*day/a\.png"),
    ],
)
def test_an_unclear_mask_is_refused(folder: Folder, tmp_path: Path, names: list[str], message: str) -> None:
    write_masks(tmp_path / "masks", *names)
    with pytest.raises(DataError, match=message):
        open_masks(tmp_path / "masks", folder)


def test_masks_that_can_not_be_scored_are_refused(folder: Folder, tmp_path: Path) -> None:
    root = tmp_path / "masks"
    write_masks(root, "day/a.png", "night/a.png", "b.png")
    sample = next(sample for sample in folder if sample.name == "b")
    write_masks(root, "b.png", shape=(6, 4))
    with pytest.raises(DataError, match=r"b\.png is 4 x 6, but the label of b is 6 x 4: masks are scored at the size"):
        open_masks(root, folder).read(sample)
    save(root / "b.png", np.full((4, 6), 9, np.uint8))
    with pytest.raises(DataError, match=r"b\.png: ids \[9\] are not in the classes\.yaml label table"):
        open_masks(root, folder).read(sample)
    (root / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"b\.png \(10 bytes\) can't be decoded"):
        open_masks(root, folder).read(sample)
    (root / "b.png").unlink()
    save(root / "b.jpg", np.zeros((4, 6), np.uint8))
    with pytest.raises(DataError, match=r"b\.jpg is a JPEG, a format that changes labels"):
        open_masks(root, folder).read(sample)
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_masks(tmp_path / "nowhere", folder)


def test_the_part_of_a_name_that_the_server_asks_for_is_enough(cityscapes: Path, tmp_path: Path) -> None:
    dataset = Cityscapes(str(cityscapes), "val")
    for pair in dataset.pairs:
        stem = pair.image.stem.removesuffix("_leftImg8bit")
        save(tmp_path / f"masks/{stem}_by_us.png", np.full((36, 52), 26, np.uint8))
    masks = open_masks(tmp_path / "masks", dataset)
    mask, ids = masks.read(dataset[0])
    assert (mask == 13).all()
    assert (ids == 26).all()


@pytest.mark.parametrize("colors", [False, True])
def test_where_labels_are_colours_a_mask_may_hold_either(camvid_original: Path, tmp_path: Path, colors: bool) -> None:
    dataset = CamVidOriginal(str(camvid_original), "val")
    for pair, sample in zip(dataset.pairs, dataset, strict=True):
        if colors:
            save(tmp_path / f"masks/{pair.name}.png", np.array(Image.open(str(pair.label))))
        else:
            save(tmp_path / f"masks/{pair.name}.png", dataset.read_ids(pair.label))
        mask, _ = open_masks_of_one(tmp_path / "masks", dataset, sample)
        assert (mask == sample.mask).all()


def open_masks_of_one(source: Path, dataset: SegmentationDataset, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    only = dataset.first(None)
    only.pairs = [pair for pair in dataset.pairs if pair.name == sample.name]
    return open_masks(source, only).read(sample)
