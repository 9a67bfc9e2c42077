"""Data in object stores: the same as on disk, whatever fails on the way, and one message where it can't be read."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from multiprocessing import get_context
from pathlib import Path

import fsspec
import numpy as np
import pytest
from conftest import Run, zipped
from gcp_storage_emulator.server import create_server
from loopback import serving
from object_server import BUCKET, SECRET, Store, forget, s3_store

from segrnn.datasets import CamVid, sample_loader
from segrnn.errors import DataError
from segrnn.images import object_store
from segrnn.images.file_cache import FileCache
from segrnn.images.object_store import remote
from segrnn.inference import find_images


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    with s3_store(monkeypatch, tmp_path) as store:
        yield store


def require_equal(dataset: CamVid, other: CamVid) -> None:
    assert len(dataset) == len(other) > 0
    for sample, expected in zip(dataset, other, strict=True):
        assert sample.name == expected.name
        np.testing.assert_array_equal(sample.image, expected.image)
        np.testing.assert_array_equal(sample.mask, expected.mask)


def test_a_folder_a_zip_and_a_web_server_give_what_the_disk_gives(store: Store, camvid: Path, tmp_path: Path) -> None:
    archive = zipped(camvid, tmp_path / "archive.zip", "CamVid")
    expected = CamVid(str(camvid), "train")
    folder, zip_ = store.put(camvid, "data/camvid"), store.put(archive, "archives/camvid.zip")
    web = f"{store.address}/{BUCKET}/archives/camvid.zip"
    for root in (folder, zip_, f"{folder}/", web):
        require_equal(CamVid(root, "train"), expected)
    store.proxy.requests.clear()
    require_equal(CamVid(zip_, "train"), expected)
    assert len([path for method, path, _ in store.proxy.requests if method == "GET"]) <= 3  # the archive's directory
    assert [path.name for path in find_images(remote(folder)).values()].count("0001TP_000001.png") == 6


def test_a_bucket_of_google_gives_what_the_disk_gives(
    camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("SEGRNN_CACHE", str(tmp_path / "cache"))
    forget()
    with create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET):
        bucket = fsspec.filesystem("gs")
        bucket.put(f"{camvid}/", f"{BUCKET}/camvid", recursive=True)
        bucket.put(str(zipped(camvid, tmp_path / "archive.zip", "CamVid")), f"{BUCKET}/archive.zip")
        caplog.clear()
        for place in ("camvid", "archive.zip"):
            require_equal(CamVid(f"gs://{BUCKET}/{place}", "train"), CamVid(str(camvid), "train"))
        for missing in ("gs://no-such-bucket/camvid", f"gs://{BUCKET}/elsewhere", f"gs://{BUCKET}/no.zip"):
            with pytest.raises(DataError, match=f"{missing}.* does not exist"):
                CamVid(missing, "train")
    assert not [record for record in caplog.records if record.name.startswith("gcsfs")]
    forget()


def test_a_wrong_region_is_explained(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Amazon answers to a request that is signed for another region."""
    told = (
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region "
        "'us-east-1' is wrong; expecting 'eu-west-1'</Message></Error>"
    )

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(400)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *_: object) -> None:
            pass

    with serving(Elsewhere) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        forget()
        with pytest.raises(DataError, match=r"the bucket is in another region .*AWS_DEFAULT_REGION"):
            CamVid(f"s3://{BUCKET}/camvid", "train")


def test_each_picture_of_an_archive_is_one_request(store: Store, camvid: Path, tmp_path: Path) -> None:
    root = store.put(zipped(camvid, tmp_path / "a.zip", "CamVid"), "a.zip")
    dataset = CamVid(root, "train")
    store.proxy.requests.clear()
    samples = list(dataset)
    gets = [ranges for method, _, ranges in store.proxy.requests if method == "GET"]
    assert len(gets) <= 2 * len(samples) + 2
    assert all(gets)  # none of them takes the whole archive


def test_loading_processes_read_from_a_store(store: Store, camvid: Path) -> None:
    dataset = CamVid(store.put(camvid, "camvid"), "train")
    names = [sample.name for batch in sample_loader(dataset, 2, workers=2) for sample in batch]
    assert names == [pair.name for pair in dataset.pairs]


@pytest.mark.slow
def test_failing_slow_and_cut_answers_change_nothing(store: Store, camvid: Path, tmp_path: Path) -> None:
    expected = CamVid(str(camvid), "train")
    roots = store.put(camvid, "camvid"), store.put(zipped(camvid, tmp_path / "a.zip", "CamVid"), "a.zip")
    store.proxy.share = 0.2
    for _ in range(2):
        for root in roots:
            require_equal(CamVid(root, "train"), expected)
        for path in (tmp_path / "cache").rglob("*"):
            if path.is_file():
                path.unlink()
    assert {"error", "slow", "cut"} <= set(store.proxy.failed)


def test_an_object_that_changes_during_a_run(store: Store, camvid: Path, tmp_path: Path) -> None:
    root = store.put(camvid, "camvid")
    archive = store.put(zipped(camvid, tmp_path / "a.zip", "CamVid"), "a.zip")
    in_folder, in_archive = CamVid(root, "train"), CamVid(archive, "train")
    store.put(camvid / "train/0001TP_000002.png", "camvid/train/0001TP_000001.png")
    store.put(zipped(camvid / "val", tmp_path / "b.zip"), "a.zip")
    with pytest.raises(DataError, match=r"camvid/train/0001TP_000001.png.* has changed since this run began"):
        in_folder[1]
    with pytest.raises(DataError, match=r"a.zip has changed since this run began"):
        in_archive[0]


def test_what_cannot_be_read_is_explained(
    store: Store, camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_PAUSES", (0.01,))
    root = store.put(camvid, "camvid")
    for missing in ("s3://no-such-bucket/camvid", f"s3://{BUCKET}/elsewhere", f"s3://{BUCKET}/no.zip"):
        with pytest.raises(DataError, match=f"{missing}.* does not exist"):
            CamVid(missing, "train")
    for secret in (f"https://me:{SECRET}@host/a.zip", f"s3://me:{SECRET}@a", f"https://host/a.zip?X-Amz={SECRET}"):
        with pytest.raises(DataError, match=r"is given with a user, a password or a query") as refused:
            CamVid(secret, "train")
        assert SECRET[:8] not in str(refused.value)

    with serving(partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as address:  # type: ignore[arg-type]
        zipped(camvid, tmp_path / "a.zip", "CamVid")
        with pytest.raises(DataError, match=r"the server doesn't send parts of files.*: download the archive"):
            CamVid(f"{address}/a.zip", "train")

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget()
    with pytest.raises(DataError, match=r"there are no credentials .*Set AWS_ACCESS_KEY_ID"):
        CamVid(root, "train")


def test_a_wrong_endpoint(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_PAUSES", (0.01,))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget()
    with pytest.raises(DataError, match=r"the store can't be reached.* Check the network, AWS_ENDPOINT_URL"):
        CamVid(f"s3://{BUCKET}/camvid", "train")


def open_whole(cache: FileCache, log: Path) -> bytes:
    def read() -> bytes:
        with log.open("a") as file:
            file.write("read\n")
        time.sleep(0.2)
        return b"whole"

    with cache.open("key", 5, read) as file:
        return file.read()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_one_of_several_processes_reads_what_all_open(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", limit=10_000)
    with get_context("fork").Pool(4) as pool:
        assert pool.starmap(open_whole, [(cache, tmp_path / "log")] * 4, chunksize=1) == [b"whole"] * 4
    assert (tmp_path / "log").read_text() == "read\n"
    cache.remove("key")
    assert open_whole(cache, tmp_path / "log") == b"whole"
    assert (tmp_path / "log").read_text() == "read\nread\n"


def test_a_cache_that_can_not_keep_a_file_opens_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert FileCache(tmp_path / "cache", limit=4).open("a", 5, bytes) is None
    (tmp_path / "file").write_text("mine")
    cache = FileCache(tmp_path / "file" / "cache", limit=100)
    assert [cache.open(key, 5, bytes) for key in "ab"] == [None, None]
    assert capsys.readouterr().err.count("can't be written, so all is read from there") == 1


def test_the_cache_stays_below_its_limit(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", limit=10_000)
    for number in range(100):
        cache.get(str(number), lambda: b"x" * 1000)
        time.sleep(0.002)
        cache.get("0", lambda: b"x" * 1000)  # used all the time
        assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) <= 11_000
    assert cache.get("0", lambda: b"") != b""
    assert cache.get("1", lambda: b"read again") == b"read again"
    assert FileCache(tmp_path / "other", limit=0).get("0", lambda: b"a") == b"a"
    assert not (tmp_path / "other").exists()


def test_a_full_disk_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = FileCache(tmp_path / "cache", limit=10_000)
    monkeypatch.setattr(cache, "_write", fail)
    assert [cache.get(str(number), lambda: b"content") for number in range(3)] == [b"content"] * 3
    err = capsys.readouterr().err
    assert err.count("the cache of data from elsewhere can't be written") == 1
    assert "No space left on device. Free space on that disk, lower SEGRNN_CACHE_GB" in err


def test_pictures_that_are_not_in_a_bucket(store: Store, camvid: Path, run: Run, capsys) -> None:
    missing = f"s3://{BUCKET}/nowhere"
    assert run("predict", "ckpt=none.ckpt", f"input={missing}", "output=masks") == 2
    assert capsys.readouterr().err.startswith(f"error: {missing} ")
