from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.errors import DataError, OutputError
from segrnn.inference import FORMATS, plan, write_atomically, write_png
from segrnn.labels import CITYSCAPES


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "sub/a.png", "sub/b.PNG", "._a.jpg", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_masks_mirror_the_folder(photos: Path, tmp_path: Path) -> None:
    jobs = plan(photos, tmp_path / "masks", overwrite=False)
    assert [job.mask.relative_to(tmp_path).as_posix() for job in jobs] == [
        *("masks/a.png", "masks/sub/a.png", "masks/sub/b.png")
    ]
    assert plan(photos / "a.jpg", tmp_path, overwrite=False)[0].mask == tmp_path / "a.png"


def test_what_cannot_work_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input=.*nowhere does not exist"):
        plan(tmp_path / "nowhere", tmp_path / "masks", overwrite=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        plan(tmp_path / "empty", tmp_path / "masks", overwrite=False)
    with pytest.raises(OutputError, match="lies inside"):
        plan(photos, photos / "masks", overwrite=True)
    with pytest.raises(OutputError, match="would replace the image itself"):
        plan(photos / "sub" / "a.png", photos / "sub", overwrite=True)
    (photos / "a.png").write_bytes(b"")
    with pytest.raises(OutputError, match=r"a\.jpg and .*a\.png would both be written"):
        plan(photos, tmp_path / "masks", overwrite=True)


def test_existing_masks_are_kept_unless_told(photos: Path, tmp_path: Path) -> None:
    mask = tmp_path / "masks" / "sub" / "b.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"1 of 3 masks exist already, e\.g\. .*b\.png.*overwrite=true"):
        plan(photos, tmp_path / "masks", overwrite=False)
    assert len(plan(photos, tmp_path / "masks", overwrite=True)) == 3


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(b"old")

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError("No space left on device")

    with pytest.raises(OutputError, match=r"mask\.png can't be written: No space left on device"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can't be written"):
        write_png(tmp_path / "file" / "mask.png", np.zeros((2, 2), np.uint8))


def test_formats() -> None:
    mask = np.array([[0, 13]], np.uint8)  # road, car
    image = np.full((1, 2, 3), 100, np.uint8)
    assert FORMATS["label_ids"](mask, image, CITYSCAPES).tolist() == [[7, 26]]
    assert FORMATS["train_ids"](mask, image, CITYSCAPES).tolist() == [[0, 13]]
    assert FORMATS["color"](mask, image, CITYSCAPES).tolist() == [[[128, 64, 128], [0, 0, 142]]]
    assert FORMATS["overlay"](mask, image, CITYSCAPES).tolist() == [[[114, 82, 114], [50, 50, 121]]]


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 34, (9, 7), dtype=np.uint8)
    write_png(tmp_path / "new" / "mask.png", pixels)
    with Image.open(tmp_path / "new" / "mask.png") as picture:
        assert picture.mode == "L"
        assert (np.array(picture) == pixels).all()
