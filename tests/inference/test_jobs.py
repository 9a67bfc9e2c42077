import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from segrnn.atomic import write_atomically
from segrnn.errors import DataError, OutputError
from segrnn.inference import find_images, plan, take_up, write_png
from segrnn.outputs import LocalFolder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "sub/a.png", "sub/b.PNG", "._a.jpg", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_masks_mirror_the_folder(photos: Path, tmp_path: Path) -> None:
    jobs = plan(photos, LocalFolder(tmp_path / "masks"), ".png")
    assert [job.mask.as_posix() for job in jobs] == ["a.png", "sub/a.png", "sub/b.png"]
    assert plan(photos / "a.jpg", LocalFolder(tmp_path), ".png")[0].mask == PurePosixPath("a.png")


def test_what_cannot_work_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="input=.*nowhere does not exist"):
        plan(tmp_path / "nowhere", LocalFolder(tmp_path / "masks"), ".png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        plan(tmp_path / "empty", LocalFolder(tmp_path / "masks"), ".png")
    with pytest.raises(OutputError, match="lies inside"):
        plan(photos, LocalFolder(photos / "masks"), ".png")
    with pytest.raises(OutputError, match="would replace the image itself"):
        plan(photos / "sub" / "a.png", LocalFolder(photos / "sub"), ".png")
    (photos / "a.png").write_bytes(b"")
    with pytest.raises(OutputError, match=r"a\.jpg and .*a\.png would both be written"):
        plan(photos, LocalFolder(tmp_path / "masks"), ".png")


NAMES = ["a.avif", "b.JP2", "c.gif", "d.ppm", "e.jfif", "f.TGA", "g.qoi", "notes.txt", "scan.pdf", "README", "x.svg"]


def test_pictures_of_all_formats_are_found_and_the_rest_is_counted(tmp_path: Path) -> None:
    for name in [*NAMES, ".ipynb_checkpoints/a.png", "sub/.DS_Store", "sub/old.zip"]:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"")
    said: list[str] = []
    assert list(find_images(tmp_path / "photos", say=said.append)) == NAMES[:7]
    assert said == [
        f"{tmp_path}/photos: 5 other files are passed over: 1 .pdf, 1 .svg, 1 .txt, 1 .zip, 1 without a suffix",
        f"{tmp_path}/photos: 2 hidden ones are passed over: 1 .DS_Store, 1 .ipynb_checkpoints",
    ]
    with pytest.raises(
        DataError, match=r"holds no image that segrnn reads \(.*\.png.*\); 1 other file is passed over: 1 \.zip"
    ):
        find_images(tmp_path / "photos", "sub")


def test_linked_folders_are_searched_and_circles_are_cut(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "c.png").write_bytes(b"")
    (tmp_path / "disk" / "back").symlink_to(photos)
    (photos / "sub" / "linked").symlink_to(tmp_path / "disk")
    (photos / "broken.png").symlink_to(tmp_path / "nowhere")
    assert list(find_images(photos)) == ["a.jpg", "broken.png", "sub/a.png", "sub/b.PNG", "sub/linked/c.png"]


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("{elsewhere}/x.png", "masks{elsewhere}/x.png"),
        ("../../x.png", "masks/x.png"),
        ("day/..\\..\\x.png", "masks/day/x.png"),
        ("C:\\elsewhere\\x.png", "masks/elsewhere/x.png"),
        ("\\\\server\\share\\x.png", "masks/server/share/x.png"),
        ("x\n.png", "masks/x_.png"),
        ("aux.png", "masks/_aux.png"),
    ],
)
def test_masks_of_an_archive_stay_in_the_output(name: str, mask: str, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    member = zipfile.ZipInfo("x")
    member.filename = name.format(elsewhere=elsewhere)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr(member, b"")
    said: list[str] = []
    [job] = plan(tmp_path / "photos.zip", LocalFolder(tmp_path / "masks"), ".png", say=said.append)
    assert f"masks/{job.mask}" == f"{mask.format(elsewhere=elsewhere)}"
    assert repr(member.filename) in said[0]
    assert "is read in a form that stays inside" in said[0]


def test_a_link_in_the_output_must_not_lead_out_of_it(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "masks" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        OutputError, match=r"masks/sub leads through a link to .*/elsewhere, outside of output=.*masks: remove the link"
    ):
        plan(photos, LocalFolder(tmp_path / "masks"), ".png")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")  # the output itself may be a link
    assert len(plan(photos, LocalFolder(tmp_path / "linked"), ".png")) == 3


def test_existing_masks_are_kept_unless_told(photos: Path, tmp_path: Path) -> None:
    mask = tmp_path / "masks" / "sub" / "b.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"precious")
    jobs = plan(photos, LocalFolder(tmp_path / "masks"), ".png")
    with pytest.raises(OutputError, match=r"1 of 3 masks exist already .*, e\.g\. .*b\.png.*overwrite=true"):
        take_up(jobs, LocalFolder(tmp_path / "masks"), {"format": "color"}, overwrite=False)
    assert mask.read_bytes() == b"precious"
    assert take_up(jobs, LocalFolder(tmp_path / "masks"), {"format": "color"}, overwrite=True) == jobs
    assert not mask.exists()


def test_a_later_start_does_what_is_left(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    output = LocalFolder(folder)
    jobs = plan(photos, output, ".png")
    assert take_up(jobs, output, {"format": "color"}, overwrite=False) == jobs
    write_png(folder / "sub/a.png", np.zeros((2, 3), np.uint8))
    (folder / "sub" / ".b-abc.part").write_bytes(b"half")
    (folder / "sub" / ".mine.part").write_bytes(b"of somebody else")
    assert take_up(jobs, output, {"format": "color"}, overwrite=False) == [jobs[0], jobs[2]]
    assert sorted(path.name for path in (folder / "sub").iterdir()) == [".mine.part", "a.png"]
    with pytest.raises(OutputError, match="made with other settings"):
        take_up(jobs, output, {"format": "overlay"}, overwrite=False)
    (folder / "predict.json").write_bytes(b"{")
    with pytest.raises(OutputError, match="made with other settings"):
        take_up(jobs, output, {"format": "color"}, overwrite=False)


def test_the_settings_of_a_command_that_runs_are_protected_before_its_first_mask(photos: Path, tmp_path: Path) -> None:
    output = LocalFolder(tmp_path / "masks")
    jobs = plan(photos, output, ".png")
    assert take_up(jobs, output, {"format": "color"}, overwrite=False) == jobs
    with pytest.raises(OutputError, match=r"masks/predict.json has the settings of another command, which may "):
        take_up(jobs, output, {"format": "overlay"}, overwrite=False)
    assert take_up(jobs, output, {"format": "overlay"}, overwrite=True) == jobs
    assert take_up(jobs, output, {"format": "overlay"}, overwrite=False) == jobs


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


def test_long_names_are_written_too(tmp_path: Path) -> None:
    path = tmp_path / f"{250 * 'a'}.png"
    write_atomically(path, lambda draft: draft.write_text("x"))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with pytest.raises(OutputError, match="can't be written"):
        write_atomically(tmp_path / f"{300 * 'a'}.png", lambda draft: draft.write_text("x"))
    with pytest.raises(OutputError, match="can't be written"):
        write_atomically(tmp_path / "\ud800.png", lambda draft: draft.write_text("x"))
