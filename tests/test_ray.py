"""Masks by a cluster of Ray on this machine, whose processes are killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from socket import socket
from tempfile import mkdtemp

import numpy as np
import psutil
import pytest
from conftest import Run
from object_server import BUCKET, Store, s3_store
from PIL import Image
from small_bundle import save_small_bundle

import segrnn

pytest.importorskip("ray", reason='pip install "segrnn[ray]"')

COUNT = 2000
DEADLY = """
import os, sys
if any("default_worker.py" in word for word in sys.orig_argv):  # the processes that label images
    from PIL import Image
    original = Image.open

    def open_or_die(file, *arguments, **options):
        if b"deadly" in file.getvalue():
            os.kill(os.getpid(), 9)
        return original(file, *arguments, **options)

    Image.open = open_or_die
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a network, and one for Ray, whose sockets need a short path."""
    monkeypatch.chdir(tmp_path)
    short = mkdtemp(prefix="ray", dir="/tmp")
    Path("patched").mkdir()
    Path("patched/sitecustomize.py").write_text(DEADLY)
    here = [str(Path("patched").absolute()), str(Path(segrnn.__file__).parent.parent)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAY_TMPDIR", short)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", 64 * "0")  # otherwise Ray writes one into the home folder
    monkeypatch.setenv("RAY_worker_niceness", "0")  # otherwise other work on the machine comes first
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    save_small_bundle("bundle")
    yield tmp_path
    shutil.rmtree(short, ignore_errors=True)


def begin(*words: str) -> subprocess.Popen[str]:
    network = [] if any(word.startswith("ckpt=") for word in words) else ["ckpt=bundle"]
    ask = [sys.executable, "-m", "segrnn.predict", "input=photos", *network, *words]
    return subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def masks_in(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.png")}


def count_masks() -> int:
    return len(os.listdir("masks")) if Path("masks").exists() else 0


def kill_one(process: subprocess.Popen[str], after: int, count: Callable[[], int] = count_masks) -> None:
    """Kill a process that labels images, after some masks."""
    while count() < after:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    actors = [child for child in children if "MapWorker" in " ".join(child.cmdline())]
    assert len(actors) == 2
    os.kill(actors[0].pid, signal.SIGKILL)


@pytest.mark.thorough
def test_two_thousand_images_and_a_killed_process(folder: Path) -> None:
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(f"photos/{number:04d}.png")
    plain = begin("output=plain")
    told, errors = plain.communicate()
    assert plain.returncode == 0, errors
    expected = masks_in("plain")
    assert len(expected) == COUNT

    begun = time.monotonic()
    process = begin("output=masks", "engine=ray", "engine.actors=2")
    kill_one(process, after=200)
    told, errors = process.communicate()
    print(f"{told}\n{errors}\n{COUNT} images with 2 actors, of which one was killed: {time.monotonic() - begun:.0f} s")
    assert process.returncode == 0
    assert f"{COUNT} masks (label_ids) in masks" in told
    assert masks_in("masks") == expected
    lines = [json.loads(line) for line in Path("masks/manifest.jsonl").read_text().splitlines()]
    assert [line["mask"] for line in lines] == sorted(expected)
    assert sum(line["seconds"] is None for line in lines) < 64  # those whose reports died with their process

    missing = ["0007.png", "1234.png"]
    for name in missing:
        Path("masks", name).unlink()
    Path("photos/2000.png").write_bytes(b"deadly")
    times = {path: path.stat().st_mtime_ns for path in Path("masks").glob("*.png")}
    begun = time.monotonic()
    process = begin("output=masks", "engine=ray", "engine.actors=1")
    told, errors = process.communicate()
    print(f"{told}\n{errors}\nthe second start took {time.monotonic() - begun:.0f} s")
    assert process.returncode == 2
    assert f"1998 of {COUNT + 1} masks are already in masks" in told
    assert "2 masks (label_ids) in masks" in told
    assert f"1 of {COUNT + 1} images have no mask" in errors
    assert "photos/2000.png has no mask: 3 processes have died while they labelled it" in errors
    assert "Traceback" not in errors
    assert masks_in("masks") == expected
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert not Path("masks/.claim").exists()


@pytest.mark.thorough
def test_clusters_and_numbers_that_do_not_exist(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos").mkdir()
    Image.new("RGB", (32, 32)).save("photos/a.png")
    ask = ("predict", f"ckpt={folder}/bundle", "input=photos", "output=masks", "engine=ray")
    assert run(*ask, "engine.actors=0") == 2
    assert "actors must be at least 1, got 0" in capsys.readouterr().err
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert run(*ask) == 2
    assert (
        "error: RAY_ADDRESS=127.0.0.1:1: no cluster of Ray can be used there: [Errno 111] Connection refused"
        in capsys.readouterr().err
    )


@pytest.mark.thorough
def test_masks_and_a_network_in_a_store(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(f"photos/{number:02d}.png")
    plain = begin("output=plain")
    _, errors = plain.communicate()
    assert plain.returncode == 0, errors
    with s3_store(monkeypatch, tmp_path) as store:
        network = store.put(Path("bundle"), "bundle")
        words = [f"ckpt={network}", f"output=s3://{BUCKET}/masks", "engine=ray", "engine.actors=2"]
        process = begin(*words)
        kill_one(process, after=20, count=lambda: len(puts(store)))
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        written = store.contents("masks")
        lines = [json.loads(line) for line in written.pop("manifest.jsonl").splitlines()]
        assert [line["mask"] for line in lines] == sorted(masks_in("plain"))
        assert {name: written[name] for name in masks_in("plain")} == masks_in("plain")
        assert len(written) == 61
        assert len(puts(store)) <= 62  # at most two were written again, by those who had no answer from the killed one
        store.client.delete_object(Bucket=BUCKET, Key="masks/07.png")
        store.proxy.requests.clear()
        process = begin(*words)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert puts(store) == [f"/{BUCKET}/masks/07.png"]

        process = begin(
            f"ckpt={network}", f"output=s3://{BUCKET}/few", "engine=ray", "engine.actors=2", "archive_size=7"
        )
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        written = store.contents("few")
        found = [zipfile.ZipFile(BytesIO(written[name])) for name in sorted(written) if name.endswith(".zip")]
        assert [len(archive.namelist()) for archive in found] == [*8 * [7], 4]
        assert {name: archive.read(name) for archive in found for name in archive.namelist()} == masks_in("plain")
        assert store.contents("masks")["07.png"] == masks_in("plain")["07.png"]


def puts(store: Store) -> list[str]:
    return [path for method, path, _ in store.proxy.requests if method == "PUT" and path.endswith(".png")]


@pytest.mark.thorough
def test_a_cluster_that_runs_already(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes were started in another folder."""
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(f"photos/{number}.png")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1", f"--port={port}"]
    ray += ["--include-dashboard=false", "--disable-usage-stats", f"--object-store-memory={100 * 2**20}"]
    with Path("log").open("w") as log:
        cluster = subprocess.Popen(ray, stdout=log, stderr=log, cwd="/")
    try:
        while "Ray runtime started" not in Path("log").read_text():
            assert cluster.poll() is None, Path("log").read_text()
            time.sleep(0.2)
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        process = begin("output=masks", "engine=ray")
        told, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "Ray starts 1 actor" in told
        process = begin("output=more", "engine=ray", "engine.actors=2")
        told, errors = process.communicate()
        assert process.returncode == 2
        assert "engine.actors=2 must be at most the CPUs of the cluster, which are 1" in errors
    finally:
        for child in [*psutil.Process(cluster.pid).children(recursive=True), cluster]:
            child.kill()
        cluster.wait()
    plain = begin("output=plain")
    told, errors = plain.communicate()
    assert plain.returncode == 0, errors
    assert masks_in("masks") == masks_in("plain")
