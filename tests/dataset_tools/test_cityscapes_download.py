"""The real downloader of Cityscapes, against its site as it would be on loopback."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from segrnn.dataset_tools.cityscapes_download import download_packages
from segrnn.dataset_tools.download import TRIES
from segrnn.errors import DownloadError, OutputError

PACKAGE = "/file-handling/?packageID=1"
BEFORE = [None] * 4  # answers to two steps of the login, for the list and for the checksum


@pytest.fixture
def package() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("gtFine/noise", np.random.default_rng(0).bytes(300_000))
    return stream.getvalue()


@pytest.fixture
def site(web, package: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The site with one package, and a person at the terminal; gives what the person is asked."""
    downloader = pytest.importorskip("cityscapesscripts.download.downloader")
    asked: list[str] = []
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(downloader, "input", lambda prompt: asked.append(prompt) or "me")
    monkeypatch.setattr(downloader.getpass, "getpass", lambda prompt: asked.append(prompt) or "secret")
    send = requests.Session.request

    def to_loopback(self, method: str, url: str, *args, **kwargs) -> requests.Response:
        return send(self, method, url.replace("https://www.cityscapes-dataset.com", web.url), *args, **kwargs)

    sessions: list[requests.Session] = []
    real = requests.Session
    monkeypatch.setattr(requests.Session, "request", to_loopback)
    monkeypatch.setattr(downloader.requests, "Session", lambda: sessions.append(real()) or sessions[-1])
    web.files = {
        "/login": b"",
        "/downloads/?list": json.dumps([{"name": "gt.zip", "packageID": 1, "size": "0.3MB"}]).encode(),
        "/md5-sum/?packageID=1": hashlib.md5(package).hexdigest().encode() + b" gt.zip",
        PACKAGE: package,
    }
    web.statuses = [200, 302]  # the login's form, and what it answers when the password is right
    yield asked
    for session in sessions:
        session.close()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def ranges(web) -> list[str | None]:
    return [wanted for path, wanted in web.requests if path == PACKAGE]


def test_a_package_is_fetched_once(web, site: list[str], package: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert download_packages(folder, ["gt.zip"]) == [folder / "gt.zip"]
    assert site[:2] == ["Cityscapes username or email address: ", "Cityscapes password: "]
    assert (folder / "gt.zip").read_bytes() == package
    assert names(folder) == ["gt.zip"]
    web.requests.clear()
    download_packages(folder, ["gt.zip"])
    assert web.requests == []  # without a login


def test_a_cut_connection_is_continued_now_and_later(web, site: list[str], package: bytes, tmp_path: Path) -> None:
    web.cuts = [*BEFORE, 100_000, *[None, 0] * TRIES]
    with pytest.raises(DownloadError, match="the same command continues"):
        download_packages(tmp_path / "data", ["gt.zip"])
    assert names(tmp_path / "data") == ["part", "part/gt.zip"]
    kept = (tmp_path / "data" / "part" / "gt.zip").stat().st_size
    assert 90_000 < kept <= 100_000
    web.requests.clear()
    web.cuts, web.statuses = [], [200, 302]
    download_packages(tmp_path / "data", ["gt.zip"])
    assert ranges(web) == [f"bytes={kept - 1}-"]
    assert (tmp_path / "data" / "gt.zip").read_bytes() == package
    assert names(tmp_path / "data") == ["gt.zip"]


def test_a_part_that_is_complete_is_accepted(web, site: list[str], package: bytes, tmp_path: Path) -> None:
    (tmp_path / "data" / "part").mkdir(parents=True)
    (tmp_path / "data" / "part" / "gt.zip").write_bytes(package)
    download_packages(tmp_path / "data", ["gt.zip"])
    assert (tmp_path / "data" / "gt.zip").read_bytes() == package
    assert ranges(web) == [f"bytes={len(package) - 1}-"]


def test_a_wrong_checksum_is_removed(web, site: list[str], tmp_path: Path) -> None:
    web.files[PACKAGE] = b"something else"
    with pytest.raises(DownloadError, match="failed: MD5 sum of downloaded file does not match"):
        download_packages(tmp_path / "data", ["gt.zip"])
    assert names(tmp_path / "data") == ["part"]


def test_a_refused_account_is_one_message(web, site: list[str], tmp_path: Path) -> None:
    web.statuses = []
    with pytest.raises(DownloadError, match=r"failed: Bad credentials\.\nIt needs an account with access: https"):
        download_packages(tmp_path / "data", ["gt.zip"])
    assert not (tmp_path / "data").exists()


def test_a_package_that_the_account_has_not_is_named(site: list[str], tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"don't have access: \['gtCoarse\.zip'\]"):
        download_packages(tmp_path / "data", ["gtCoarse.zip"])


def test_a_full_disk_is_noticed_before(web, site: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segrnn.dataset_tools.extract.shutil.disk_usage", lambda _: SimpleNamespace(free=300_000))
    with pytest.raises(OutputError, match="314572 bytes are needed"):
        download_packages(tmp_path / "data", ["gt.zip"])
    assert ranges(web) == []


def test_what_is_there_already_is_verified_and_never_removed(tmp_path: Path) -> None:
    (tmp_path / "gt.zip").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="existed already: remove it to download it again"):
        download_packages(tmp_path, ["gt.zip"])
    assert names(tmp_path) == ["gt.zip"]


def test_a_missing_downloader_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cityscapesscripts.download", None)
    with pytest.raises(DownloadError, match=r"not installed: pip install cityscapesscripts\.\nOr log in at .* gt\.zip"):
        download_packages(tmp_path / "data", ["gt.zip"])
    assert not (tmp_path / "data").exists()
