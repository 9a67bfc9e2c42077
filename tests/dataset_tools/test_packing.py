import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from segrnn.dataset_tools import extract
from segrnn.dataset_tools.packing import Pack, new_pack
from segrnn.dataset_tools.parallel import for_each
from segrnn.datasets import CamVid, Cityscapes, Folder, SegmentationDataset
from segrnn.errors import DataError, OutputError
from segrnn.images import read_image, read_label


def pack(root: Path, *datasets: SegmentationDataset, workers: int = 0) -> int:
    with new_pack(datasets, root) as draft:
        return sum(size for dataset in datasets for size in for_each(dataset, Pack(draft), workers))


def require_same(original: SegmentationDataset, copy: SegmentationDataset) -> None:
    """Sample by sample, and in what the ids mean."""
    assert len(copy) == len(original)
    for a, b in zip(original, copy, strict=False):
        assert a.name == b.name
        assert b.image.dtype == b.mask.dtype == np.uint8
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)
    assert copy.labels.name == original.labels.name
    assert copy.labels.class_names == original.labels.class_names
    assert [label.id for label in copy.labels.classes] == [label.id for label in original.labels.classes]
    np.testing.assert_array_equal(copy.labels.palette, original.labels.palette)
    mask = np.arange(original.labels.num_classes, dtype=np.uint8)
    np.testing.assert_array_equal(copy.labels.decode(mask), original.labels.decode(mask))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("dataset", "name"), [(CamVid, "camvid"), (Cityscapes, "cityscapes")])
def test_a_copy_holds_what_the_original_holds(
    dataset: type, name: str, workers: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    splits = [dataset(str(request.getfixturevalue(name)), split) for split in ("train", "val")]
    size = pack(tmp_path / "copy", *splits, workers=workers)
    assert size == sum(len(split) * 36 * 52 * 4 for split in splits)
    for split in splits:
        require_same(split, Folder(str(tmp_path / "copy"), split.split))


def test_folders_with_masks_of_colours_and_any_names_are_copied(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    (root / "images" / "train").mkdir(parents=True)
    (root / "masks" / "train").mkdir(parents=True)
    colors = np.array([[[1, 2, 3], [9, 9, 9], [0, 0, 0]]], np.uint8)  # the first two are classes
    for name in ("a.b", "straße 1"):
        for kind in ("images", "masks"):
            Image.fromarray(colors).save(root / kind / "train" / f"{name}.png")
    (root / "classes.yaml").write_text(
        "name: 'on: 3'\nclasses: [{name: 'no', id: 4, color: [1, 2, 3]}, {name: é, color: [9, 9, 9]}]\nmasks: colors\n",
        encoding="utf-8",
    )
    original = Folder(str(root), "train")
    pack(tmp_path / "copy", original)
    require_same(original, Folder(str(tmp_path / "copy"), "train"))
    assert original[0].mask.tolist() == [[0, 1, 255]]


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "nul", "a\nb", "dots.../a"])
def test_a_name_that_leads_elsewhere_is_not_packed(name: str, camvid: Path, tmp_path: Path) -> None:
    dataset = CamVid(str(camvid), "val")
    dataset.pairs[1] = dataset.pairs[1]._replace(name=name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        DataError,
        match=r"0001TP_000001\.png: its name in the copy would be .*, which not every system allows: rename the image",
    ):
        pack(tmp_path / "copy", dataset)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_copy_of_a_copy_is_the_copy(camvid: Path, tmp_path: Path) -> None:
    pack(tmp_path / "copy", CamVid(str(camvid), "train"))
    first = Folder(str(tmp_path / "copy"), "train")
    pack(tmp_path / "again", first)
    require_same(first, Folder(str(tmp_path / "again"), "train"))
    assert (tmp_path / "again" / "classes.yaml").read_text() == (tmp_path / "copy" / "classes.yaml").read_text()


def test_an_empty_folder_is_filled_and_others_are_left_alone(camvid: Path, tmp_path: Path) -> None:
    dataset = CamVid(str(camvid), "train")
    copy = tmp_path / "copy"
    copy.mkdir()
    pack(copy, dataset)
    assert len(Folder(str(copy), "train")) == 6
    with pytest.raises(OutputError, match="copy exists already and would be overwritten"):
        pack(copy, dataset)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file exists already and would be overwritten"):
        pack(tmp_path / "file", dataset)
    with pytest.raises(OutputError, match="copy can't be written: "):
        pack(tmp_path / "file" / "copy", dataset)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_is_too_small_is_noticed_before(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = CamVid(str(camvid), "train")
    needed = 6 * 36 * 52 * 4
    monkeypatch.setattr(extract.shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(OutputError, match=rf"{needed} bytes are needed in .*, but only {needed - 1} are free"):
        pack(tmp_path / "fast" / "copy", dataset)
    assert not any((tmp_path / "fast").iterdir())
    monkeypatch.setattr(extract.shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    assert pack(tmp_path / "fast" / "copy", dataset) == needed


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_file_leaves_nothing_behind(camvid: Path, tmp_path: Path, workers: int) -> None:
    broken = camvid / "train" / "0001TP_000003.png"
    broken.write_bytes(broken.read_bytes()[:-60])
    dataset = CamVid(str(camvid), "train")
    with pytest.raises(DataError, match=r"0001TP_000003\.png \(\d+ bytes\) can't be decoded"):
        pack(tmp_path / "fast" / "copy", dataset, workers=workers)
    assert list((tmp_path / "fast").iterdir()) == []


def test_what_can_not_be_trained_on_is_not_packed(camvid: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((36, 52), 40, np.uint8)).save(camvid / "trainannot" / "0001TP_000003.png")
    with pytest.raises(DataError, match=r"0001TP_000003\.png: ids \[40\] are not in the CamVid label table"):
        pack(tmp_path / "fast" / "copy", CamVid(str(camvid), "train"))


def test_a_disk_that_fills_up_leaves_nothing_behind(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, array: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match=r"train/0001TP_000000\.npy can't be written: .*No space left on device"):
        pack(tmp_path / "fast" / "copy", CamVid(str(camvid), "train"), workers=1)
    assert list((tmp_path / "fast").iterdir()) == []


ARRAY = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (ARRAY.astype(np.float32), "float32 of shape (4, 5, 3)"),
        (ARRAY.astype(bool), "bool of shape (4, 5, 3)"),
        (ARRAY[..., :1], "uint8 of shape (4, 5, 1)"),
        (ARRAY[..., 0], "uint8 of shape (4, 5)"),
        (ARRAY[None], "uint8 of shape (1, 4, 5, 3)"),
        (ARRAY[:0], "uint8 of shape (0, 5, 3)"),
    ],
)
def test_other_arrays_are_no_images(tmp_path: Path, array: np.ndarray, found: str) -> None:
    path = tmp_path / "image.npy"
    np.save(path, array)
    with pytest.raises(DataError) as error:
        read_image(path)
    assert str(error.value) == f"{path} is not a packed image or mask: it holds {found} instead of uint8 (H, W, 3)"


def test_an_image_is_no_mask(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", ARRAY)
    with pytest.raises(DataError, match=r"it holds uint8 of shape \(4, 5, 3\) instead of uint8 \(H, W\)$"):
        read_label(tmp_path / "mask.npy")


def header(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        header("(4, 5, 3)") + bytes(59),
        header("(4, 5, 3"),
        header("(True, 5, 3)"),
        header("(-4, 5, 3)"),
        header(f"({10**30}, 5, 3)"),
        b"\x93NUMPY\x09\x00" + header("(4, 5, 3)")[8:] + bytes(60),
        pickle.dumps(ARRAY),
        b"PK\x03\x04 and so on",
        b"<html>",
    ],
)
def test_files_that_are_no_arrays_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"image\.npy is not a packed image or mask: "):
        read_image(path)


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    np.save(path, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"image\.npy is not a packed image or mask: .*Python objects"):
        read_image(path)
