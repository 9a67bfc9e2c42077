from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrnn.errors import DataError, OutputError
from segrnn.inference import plan, take_up, write_atomically, write_png


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "sub/a.png", "sub/b.PNG", "._a.jpg", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_masks_mirror_the_folder(photos: Path, tmp_path: Path) -> None:
    jobs = plan(photos, tmp_path / "masks", ".png")
    assert [job.mask.relative_to(tmp_path).as_posix() for job in jobs] == [
        *("masks/a.png", "masks/sub/a.png", "masks/sub/b.png")
    ]
    assert plan(photos / "a.jpg", tmp_path, ".png")[0].mask == tmp_path / "a.png"


def test_what_cannot_work_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input=.*nowhere does not exist"):
        plan(tmp_path / "nowhere", tmp_path / "masks", ".png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        plan(tmp_path / "empty", tmp_path / "masks", ".png")
    with pytest.raises(OutputError, match="lies inside"):
        plan(photos, photos / "masks", ".png")
    with pytest.raises(OutputError, match="would replace the image itself"):
        plan(photos / "sub" / "a.png", photos / "sub", ".png")
    (photos / "a.png").write_bytes(b"")
    with pytest.raises(OutputError, match=r"a\.jpg and .*a\.png would both be written"):
        plan(photos, tmp_path / "masks", ".png")


def test_existing_masks_are_kept_unless_told(photos: Path, tmp_path: Path) -> None:
    mask = tmp_path / "masks" / "sub" / "b.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"precious")
    jobs = plan(photos, tmp_path / "masks", ".png")
    with pytest.raises(OutputError, match=r"1 of 3 masks exist already, e\.g\. .*b\.png.*overwrite=true"):
        take_up(jobs, tmp_path / "masks", {"format": "color"}, overwrite=False)
    assert mask.read_bytes() == b"precious"
    assert take_up(jobs, tmp_path / "masks", {"format": "color"}, overwrite=True) == jobs
    assert not mask.exists()


def test_a_later_start_does_what_is_left(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "masks"
    jobs = plan(photos, output, ".png")
    assert take_up(jobs, output, {"format": "color"}, overwrite=False) == jobs
    write_png(jobs[1].mask, np.zeros((2, 3), np.uint8))
    (jobs[1].mask.parent / ".b-abc.part").write_bytes(b"half")
    (jobs[1].mask.parent / ".mine.part").write_bytes(b"of somebody else")
    assert take_up(jobs, output, {"format": "color"}, overwrite=False) == [jobs[0], jobs[2]]
    assert sorted(path.name for path in jobs[1].mask.parent.iterdir()) == [".mine.part", "a.png"]
    with pytest.raises(OutputError, match="made with other settings"):
        take_up(jobs, output, {"format": "overlay"}, overwrite=False)
    (output / "predict.json").write_bytes(b"{")
    with pytest.raises(OutputError, match="made with other settings"):
        take_up(jobs, output, {"format": "color"}, overwrite=False)


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


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 34, (9, 7), dtype=np.uint8)
    write_png(tmp_path / "new" / "mask.png", pixels)
    with Image.open(tmp_path / "new" / "mask.png") as picture:
        assert picture.mode == "L"
        assert (np.array(picture) == pixels).all()
