"""Archives that are good, broken and evil."""

import io
import stat
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segrnn.dataset_tools import extract
from segrnn.dataset_tools.extract import check_zip, extract_archive
from segrnn.errors import DataError, OutputError, SegrnnError

TREE = {"README": b"read me", "gt/a/1.png": b"one", "gt/a/2.png": b"two", "gt/b/1.png": b"", "images/a/1.png": b"1"}


def pack(path: Path, *members: str | zipfile.ZipInfo) -> Path:
    """An archive of members with little in them."""
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "" if isinstance(member, str) and member.endswith("/") else "content")
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    return member


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "tree.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("gt/", "")
        for name, content in TREE.items():
            file.writestr(name, content)
    return path


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("exists", [False, True])
def test_everything_is_extracted(exists: bool, archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "folder"
    if exists:
        output.mkdir(parents=True)
    files = extract_archive(archive, output)
    assert files == [output / name for name in TREE]
    assert content(output) == TREE
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("inside", ["gt", "gt/", "gt/a"])
def test_one_folder_becomes_the_output(inside: str, archive: Path, tmp_path: Path) -> None:
    extract_archive(archive, tmp_path / "out", inside)
    prefix = f"{inside.rstrip('/')}/"
    assert content(tmp_path / "out") == {
        name.removeprefix(prefix): data for name, data in TREE.items() if name.startswith(prefix)
    }


def test_a_folder_that_is_not_inside_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no files in the folder 'image' \(did you mean images\?\)"):
        extract_archive(archive, tmp_path / "out", "image")
    assert [path.name for path in tmp_path.iterdir()] == ["tree.zip"]


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_nothing_is_overwritten(taken: str, archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    if taken == "folder":
        output.mkdir()
        output = output.parent
    else:
        output.write_text("mine")
    with pytest.raises(OutputError, match="exists already and would be overwritten"):
        extract_archive(archive, output)
    assert archive.exists()


EVIL = {
    "link": ([special("gt/link", stat.S_IFLNK)], "'gt/link' is a link"),
    "pipe": ([special("pipe", stat.S_IFIFO)], "'pipe' is neither a file nor a folder"),
    "device": ([special("device", stat.S_IFCHR)], "'device' is neither a file nor a folder"),
    "absolute": (["/etc/passwd"], "'/etc/passwd' leads out of the folder"),
    "absolute folder": (["/etc/"], "'/etc/' leads out of the folder"),
    "parent": (["gt/../../evil"], "'gt/../../evil' leads out of the folder"),
    "parent at the end": (["gt/.."], "'gt/..' leads out of the folder"),
    "drive": (["C:/evil"], "'C:/evil' leads out of the folder"),
    "drive without a root": (["c:evil"], "'c:evil' leads out of the folder"),
    "share": (["//server/share/evil"], "leads out of the folder"),
    "backslashes": (["..\\evil"], "has a name that is not portable"),
    "drive and backslashes": (["C:\\evil"], "has a name that is not portable"),
    "server": (["\\\\server\\share\\evil"], "has a name that is not portable"),
    "device of Windows": (["gt/nul.png"], "'gt/nul.png' has a name that is not portable"),
    "dots at the end": (["gt. /evil"], "has a name that is not portable"),
    "control characters": (["gt/\x1b[2Jevil"], "has a name that is not portable"),
    "same behind backslashes": (["gt/a", "gt\\a"], "would be written to the same place as 'gt/a'"),
    "no name": (["."], "'.' has a name that is not portable"),
    "same case": (["a", "A"], "'A' would be written to the same place as 'a'"),
    "same letters": (["stra\u00dfe/x", "STRASSE/X"], "would be written to the same place as"),
    "same accents": (["\u00e9", "e\u0301"], "would be written to the same place as"),
    "same after tidying": (["gt/a", "gt/./a"], "'gt/./a' would be written to the same place as 'gt/a'"),
    "file and folder": (["gt", "gt/a"], "'gt' is both a file and a folder"),
    "file and empty folder": (["GT", "gt/"], "'GT' is both a file and a folder"),
}


def test_backslashes_between_folders_are_understood(tmp_path: Path) -> None:
    archive = pack(tmp_path / "windows.zip", "gt\\", "gt\\a\\1.png", "gt\\2.png")
    assert extract_archive(archive, tmp_path / "out", "gt") == [tmp_path / "out/a/1.png", tmp_path / "out/2.png"]
    assert content(tmp_path / "out") == {"a/1.png": b"content", "2.png": b"content"}


@pytest.mark.parametrize("name", EVIL)
def test_evil_members_are_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    members, message = EVIL[name]
    archive = pack(tmp_path / "evil.zip", "good", *members)
    with pytest.raises(DataError) as caught:
        extract_archive(archive, tmp_path / "out" / "deep")
    assert message in str(caught.value)
    assert "nothing was extracted" in str(caught.value)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # it is what is tested
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "evil.zip", "a", "a")
    with pytest.raises(DataError, match="'a' would be written to the same place as 'a'"):
        extract_archive(archive, tmp_path / "out")


def test_a_zero_byte_in_a_name_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "evil.zip", "aXb")
    archive.write_bytes(archive.read_bytes().replace(b"aXb", b"a\0b"))
    with pytest.raises(DataError, match="has a name that is not portable"):
        extract_archive(archive, tmp_path / "out")


def test_an_encrypted_member_is_refused(archive: Path, tmp_path: Path) -> None:
    data = bytearray(archive.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match="'images/a/1.png' is encrypted; nothing was extracted"):
        extract_archive(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(10_000_000))
    with pytest.raises(
        DataError, match=r"would extract to 10000000 bytes, which is more than 100 times as many: nothing was"
    ):
        extract_archive(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_bomb_that_lies_about_its_size_writes_no_more_than_it_says(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(10_000_000))
    archive.write_bytes(archive.read_bytes().replace(struct.pack("<I", 10_000_000), struct.pack("<I", 1000)))
    with pytest.raises(DataError, match="is not a complete zip file: Bad CRC-32"):
        extract_archive(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_too_many_members_are_refused(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "MAX_MEMBERS", 5)
    with pytest.raises(DataError, match="has 6 members, more than 5: nothing was extracted"):
        extract_archive(archive, tmp_path / "out")


def test_a_full_disk_is_noticed_before(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(map(len, TREE.values()))
    monkeypatch.setattr(extract.shutil, "disk_usage", lambda _: SimpleNamespace(free=size - 1))
    with pytest.raises(OutputError, match=f"{size} bytes are needed .* but only {size - 1} are free"):
        extract_archive(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interruption_leaves_nothing(
    error: BaseException, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = extract.shutil.copyfileobj, []

    def copy(source: io.BufferedIOBase, sink: io.BufferedIOBase) -> None:
        calls.append(sink)
        if len(calls) == 3:
            raise error
        real(source, sink)

    monkeypatch.setattr(extract.shutil, "copyfileobj", copy)
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OutputError):
        extract_archive(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_what_is_no_archive_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file: archive= needs a zip file"):
        extract_archive(tmp_path / "missing.zip", tmp_path / "out")
    (tmp_path / "text.zip").write_text("<html>")
    with pytest.raises(DataError, match=r"\(6 bytes\) is not a complete zip file: File is not a zip file"):
        extract_archive(tmp_path / "text.zip", tmp_path / "out")


@pytest.mark.parametrize("seed", range(5))
def test_damage_is_one_message_or_harmless(seed: int, archive: Path, tmp_path: Path) -> None:
    """A few hundred archives with a wrong byte, or cut short."""
    rng, whole = np.random.default_rng(seed), archive.read_bytes()
    for i in range(60):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        archive.write_bytes(data if i % 4 else data[: rng.integers(len(data))])
        output = tmp_path / f"out{i}"
        for action in (check_zip, lambda path, output=output: extract_archive(path, output)):
            try:
                action(archive)
            except SegrnnError:
                assert not output.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
