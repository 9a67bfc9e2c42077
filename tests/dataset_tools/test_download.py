"""Downloads from a server on loopback that cuts, forgets and lies."""

import hashlib
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segrnn.dataset_tools import download, extract
from segrnn.dataset_tools.download import TRIES, WebFile, download_files
from segrnn.errors import DownloadError, OutputError

CHUNK = download._CHUNK
NOISE = np.random.default_rng(0).bytes(300_000)
SHA1 = f"sha1:{hashlib.sha1(NOISE).hexdigest()}"


def zipped(content: bytes = NOISE) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("noise", content)
    return stream.getvalue()


@pytest.fixture
def noise(web) -> WebFile:
    web.files["/noise"], web.tags["/noise"] = NOISE, '"1"'
    return WebFile("noise.bin", f"{web.url}/noise", SHA1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def fetch(folder: Path, *files: WebFile) -> list[Path]:
    return download_files(folder, dict(enumerate(files)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def ranges(web) -> list[str | None]:
    return [wanted for _, wanted in web.requests]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_file_is_fetched_verified_and_kept(algorithm: str, web, noise: WebFile, folder: Path) -> None:
    file = WebFile(noise.name, noise.url, f"{algorithm}:{hashlib.new(algorithm, NOISE).hexdigest().upper()}")
    assert fetch(folder, file) == [folder / "noise.bin"]
    assert (folder / "noise.bin").read_bytes() == NOISE
    fetch(folder, file)
    assert len(web.requests) == 1
    assert names(folder) == ["noise.bin"]


def test_a_cut_connection_is_continued(web, noise: WebFile, folder: Path) -> None:
    web.cuts = [100_000, 5 * CHUNK, 0, 1]
    fetch(folder, noise)
    assert (folder / "noise.bin").read_bytes() == NOISE
    assert ranges(web) == [None, "bytes=98304-", "bytes=180224-", "bytes=180224-", "bytes=180224-"]
    assert names(folder) == ["noise.bin"]


def test_a_later_call_continues(web, noise: WebFile, folder: Path) -> None:
    web.cuts = [100_000, *[0] * TRIES]
    with pytest.raises(
        DownloadError, match=r"/noise can't be downloaded: (.|\n)*\n98304 bytes have arrived; the same command"
    ):
        fetch(folder, noise)
    assert names(folder) == ["noise.bin.part", "noise.bin.part.version"]
    web.requests.clear()
    fetch(folder, noise)
    assert ranges(web) == ["bytes=98304-"]
    assert (folder / "noise.bin").read_bytes() == NOISE
    assert names(folder) == ["noise.bin"]


def test_an_interruption_leaves_a_part_that_continues(
    web, noise: WebFile, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(download, "_verify", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch(folder, noise)
    assert names(folder) == ["noise.bin.part", "noise.bin.part.version"]
    fetch(folder, noise)  # the server has nothing to add
    assert ranges(web) == [None, "bytes=300000-"]
    assert (folder / "noise.bin").read_bytes() == NOISE


@pytest.mark.parametrize("ranges_", [True, False])
@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', None])
def test_without_ranges_or_a_version_it_starts_again(
    ranges_: bool, tag: str | None, web, noise: WebFile, folder: Path
) -> None:
    web.ranges, web.cuts = ranges_, [100_000]
    web.tags["/noise"] = tag
    fetch(folder, noise)
    assert (folder / "noise.bin").read_bytes() == NOISE
    assert ranges(web) == [None, "bytes=98304-" if tag == '"1"' else None]


def test_a_server_that_always_cuts_is_given_up(web, noise: WebFile, folder: Path) -> None:
    web.ranges, web.cuts = False, [20_000] * 50
    with pytest.raises(DownloadError, match="16384 bytes have arrived"):
        fetch(folder, noise)
    assert len(web.requests) == TRIES + 1


def test_another_version_starts_again(web, noise: WebFile, folder: Path) -> None:
    web.cuts = [100_000, *[0] * TRIES]
    with pytest.raises(DownloadError):
        fetch(folder, noise)
    changed = NOISE[::-1]
    web.files["/noise"], web.tags["/noise"] = changed, '"2"'
    file = WebFile(noise.name, noise.url, f"sha256:{hashlib.sha256(changed).hexdigest()}")
    web.requests.clear()
    fetch(folder, file)
    assert ranges(web) == ["bytes=98304-"]
    assert (folder / "noise.bin").read_bytes() == changed


@pytest.mark.parametrize("size", [50_000, 98_303])
def test_a_file_that_shrank_starts_again(size: int, web, noise: WebFile, folder: Path) -> None:
    web.cuts = [100_000, *[0] * TRIES]
    with pytest.raises(DownloadError):
        fetch(folder, noise)
    web.files["/noise"] = NOISE[:size]  # under the same tag
    fetch(folder, WebFile(noise.name, noise.url, f"sha1:{hashlib.sha1(NOISE[:size]).hexdigest()}"))
    assert (folder / "noise.bin").read_bytes() == NOISE[:size]
    assert ranges(web)[-2:] == ["bytes=98304-", None]


def test_a_busy_server_is_asked_again(web, noise: WebFile, folder: Path) -> None:
    web.statuses = [503, 429, 500]
    fetch(folder, noise)
    assert len(web.requests) == 4
    web.statuses = [503] * TRIES
    with pytest.raises(DownloadError, match="the server answers 503"):
        fetch(folder / "other", noise)


def test_a_wrong_checksum_is_refused_with_both(web, noise: WebFile, folder: Path) -> None:
    web.files["/noise"] = NOISE[:-1] + b"x"
    found = hashlib.sha1(web.files["/noise"]).hexdigest()
    with pytest.raises(
        DownloadError, match=f"has sha1:{found}, but the checksum must be {SHA1}\nThe file came from .* was removed"
    ):
        fetch(folder, noise)
    assert names(folder) == []


def test_what_is_there_already_is_verified_and_never_removed(web, noise: WebFile, folder: Path) -> None:
    folder.mkdir()
    (folder / "noise.bin").write_bytes(b"mine")
    (folder / "noise.zip").write_bytes(b"mine")
    for file in (noise, WebFile("noise.zip", noise.url, None)):
        with pytest.raises(DownloadError, match="existed already: remove it to download it again"):
            fetch(folder, file)
    assert names(folder) == ["noise.bin", "noise.zip"]
    assert web.requests == []


def test_without_a_checksum_the_zip_is_read_in_full(web, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = zipped()
    web.files["/a.zip"] = whole
    file = WebFile("a.zip", f"{web.url}/a.zip", None)
    fetch(folder, file)
    assert f"this one has sha256:{hashlib.sha256(whole).hexdigest()}" in capsys.readouterr().out
    for broken in (whole[:-30], whole[:5000] + b"?" + whole[5001:], b"short"):
        (folder / "a.zip").unlink(missing_ok=True)
        web.files["/a.zip"] = broken
        with pytest.raises(DownloadError, match=r"is not a complete zip file: (.|\n)*was removed"):
            fetch(folder, file)
        assert names(folder) == []


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8"])
def test_a_web_page_is_refused(content_type: str, web, noise: WebFile, folder: Path) -> None:
    web.type = content_type
    with pytest.raises(
        DownloadError, match=r"/noise is a web page, not the file noise\.bin.*sets the address of a mirror"
    ):
        fetch(folder, noise)
    assert names(folder) == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_one_message(status: int, web, noise: WebFile, folder: Path) -> None:
    web.statuses = [status]
    with pytest.raises(
        DownloadError, match=f"/noise can't be downloaded: the server answers {status} .*sets the address of a mirror"
    ):
        fetch(folder, noise)
    assert len(web.requests) == 1
    assert names(folder) == []


def test_a_server_that_is_not_there_is_one_message(web, noise: WebFile, folder: Path) -> None:
    web.server.socket.close()
    for url in (noise.url, "nothing"):
        with pytest.raises(DownloadError, match="can't be downloaded"):
            fetch(folder, WebFile("noise.bin", url, None))
    assert names(folder) == []


def test_a_full_disk_is_noticed_before(web, noise: WebFile, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 299_999
    monkeypatch.setattr(extract.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(OutputError, match=f"300000 bytes are needed in {folder}, but only 299999 are free"):
        fetch(folder, noise)
    free = 300_000
    web.cuts = [100_000, *[0] * TRIES]
    with pytest.raises(DownloadError):
        fetch(folder, noise)
    (part,) = folder.glob("*.part")
    free = 300_000 - part.stat().st_size
    fetch(folder, noise)  # the rest alone needs room


def test_a_folder_that_can_not_be_made_is_one_message(noise: WebFile, folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(OutputError, match="data can't be written"):
        fetch(folder, noise)


@pytest.mark.parametrize("name", ["", "..", "a/b", "/a", "a/"])
def test_names_have_no_folders(name: str) -> None:
    with pytest.raises(ValueError, match="name must be the name of a file"):
        WebFile(name, "http://127.0.0.1", None)


@pytest.mark.parametrize("checksum", ["", "sha1:", "sha1:00", "crc:00000000", "0" * 40, f"sha1:{'g' * 40}"])
def test_checksums_have_a_form(checksum: str) -> None:
    with pytest.raises(ValueError, match="checksum must be null or one of md5:<32 digits>"):
        WebFile("a", "http://127.0.0.1", checksum)
