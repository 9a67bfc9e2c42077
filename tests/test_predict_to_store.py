"""Masks in an object store: the same bytes as on disk, whatever fails on the way, and nothing twice."""

import json
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from conftest import Run
from gcp_storage_emulator.server import create_server
from object_server import BUCKET, KEY, SECRET, Store, forget, s3_store
from PIL import Image
from processes_together import run_together
from small_bundle import save_small_bundle
from test_bulk import Restarting

import segrnn.outputs.places
from segrnn.config.composition import compose
from segrnn.config.schema import Predict
from segrnn.errors import CheckpointError, OutputError
from segrnn.images import object_store
from segrnn.inference import Video, locate, write_video
from segrnn.outputs import Output, StoreFolder, output_at
from segrnn.tasks.bulk import Earlier, write_in_bulk

MASKS = f"s3://{BUCKET}/masks"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> Iterator[Store]:
    """A bucket, five pictures on disk and a network."""
    rng = np.random.default_rng(0)
    for name in ("0.jpg", "1.jpg", "a/2.jpg", "a/3.jpg", "a/[4]*.png"):
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(Path("photos", name))
    save_small_bundle("bundle")
    with s3_store(monkeypatch, tmp_path) as store:
        yield store


def on_disk(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def puts(store: Store) -> list[str]:
    return sorted(path.removeprefix(f"/{BUCKET}/") for method, path, _ in store.proxy.requests if method == "PUT")


@pytest.mark.slow
def test_masks_are_those_on_disk_and_a_second_start_writes_what_is_missing(store: Store, run: Run, capsys) -> None:
    assert run("predict", "ckpt=bundle", "input=photos", "output=here") == 0
    expected = on_disk("here")
    ask = ("predict", "ckpt=bundle", "input=photos", f"output={MASKS}")
    assert run(*ask) == 0
    assert f"5 masks (label_ids) in {MASKS}" in capsys.readouterr().out
    assert store.contents("masks") == expected
    assert len(expected) == 6

    store.client.delete_object(Bucket=BUCKET, Key="masks/a/2.png")
    store.proxy.requests.clear()
    assert run(*ask) == 0
    assert f"4 of 5 masks are already in {MASKS} from an earlier start" in capsys.readouterr().out
    assert puts(store) == ["masks/a/2.png", "masks/predict.json"]
    assert len(store.proxy.requests) <= 6  # one of them lists the store: the number of masks does not count
    assert store.contents("masks") == expected

    assert run(*ask, "format=color") == 2
    assert "5 of 5 masks exist already and were made with other settings, e.g. s3://" in capsys.readouterr().err
    assert run(*ask, "format=color", "overwrite=true") == 0
    assert json.loads(store.contents("masks")["predict.json"])["format"] == "color"
    assert {name for name, content in store.contents("masks").items() if content == expected[name]} == set()

    assert run("predict", f"ckpt=s3://{BUCKET}/bundle", "input=photos", "output=x") == 2
    assert f"s3://{BUCKET}/bundle does not exist, or is a folder without a bundle" in capsys.readouterr().err
    address = store.put(Path("bundle"), "bundle")
    assert run("predict", f"ckpt={address}", "input=photos", "output=there") == 0
    assert on_disk("there") == expected


@pytest.mark.slow
def test_an_engine_writes_to_a_store(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest lies there, too, and grows while images are labelled."""
    assert run("predict", "ckpt=bundle", "input=photos", "output=here") == 0
    monkeypatch.setattr(segrnn.outputs.places, "_INTERVAL", -1)
    config = compose(Predict, ["ckpt=bundle", "input=photos", f"output={MASKS}"])

    class Killed(Restarting):
        def map(self, make: Callable[[], Any], items: Sequence[Any], on_gpus: bool) -> Iterator[Any]:
            yield from super().map(make, items[:2], on_gpus)
            assert store.contents("masks")["manifest.jsonl"].count(b"\n") == 2
            make()(items[2], Earlier())  # a killed process does not report it
            raise OutputError("the cluster is gone")

    with pytest.raises(OutputError, match="gone"):
        write_in_bulk(config, Killed())
    store.proxy.requests.clear()
    assert len(write_in_bulk(config, Restarting())) == 2
    assert len([name for name in puts(store) if name.endswith(".png")]) == 2
    written = store.contents("masks")
    lines = [json.loads(line) for line in written.pop("manifest.jsonl").splitlines()]
    assert written == on_disk("here")
    assert [line["mask"] for line in lines] == sorted(name for name in written if name.endswith(".png"))
    assert sum(line["seconds"] is None for line in lines) == 1


def test_a_network_in_a_store_is_downloaded_once_for_each_state(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    Path("a.ckpt").write_bytes(b"first")
    address = store.put(Path("a.ckpt"), "runs/a.ckpt")
    first = Path(locate(address))
    assert (first.name, first.read_bytes()) == ("a.ckpt", b"first")
    assert capsys.readouterr().out == f"downloading {address}\n"
    assert Path(locate(address)) == first
    Path("a.ckpt").write_bytes(b"second")
    store.put(Path("a.ckpt"), "runs/a.ckpt")
    assert Path(locate(address)).read_bytes() == b"second"
    assert first.read_bytes() == b"first"
    assert capsys.readouterr().out == f"downloading {address}\n"
    for missing in (f"s3://{BUCKET}/b.ckpt", f"s3://{BUCKET}/runs", "s3://no-such-bucket/a.ckpt"):
        with pytest.raises(CheckpointError, match=f"{missing} does not exist, or is a folder without a bundle"):
            locate(missing)
    with pytest.raises(CheckpointError, match="is given with a user, a password or a query") as refused:
        locate(f"s3://me:{SECRET}@bucket/a.ckpt")
    assert SECRET not in str(refused.value)


@pytest.mark.slow
def test_one_file_for_all_images_and_frames_of_a_video(store: Store, run: Run, capsys) -> None:
    ask = ("predict", "ckpt=bundle", "input=photos", "format=coco")
    assert run(*ask, "output=here.json") == 0
    assert run(*ask, f"output=s3://{BUCKET}/coco.json") == 0
    content = store.client.get_object(Bucket=BUCKET, Key="coco.json")["Body"].read()
    assert content == Path("here.json").read_bytes()
    capsys.readouterr()
    assert run(*ask, f"output=s3://{BUCKET}/coco.json") == 2
    assert f"s3://{BUCKET}/coco.json exists already: choose another output" in capsys.readouterr().err

    write_video(Path("drive.mp4"), 10, iter(np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8)))
    ask = ("predict", "ckpt=bundle", "input=drive.mp4", "format=overlay")
    assert run(*ask, "output=here") == 0
    assert run(*ask, f"output={MASKS}") == 0
    assert store.contents("masks") == on_disk("here")
    store.client.delete_object(Bucket=BUCKET, Key="masks/000002.png")
    store.proxy.requests.clear()
    assert run(*ask, f"output={MASKS}") == 0
    assert puts(store) == ["masks/000002.png", "masks/predict.json"]
    assert run(*ask, f"output={MASKS}/painted.mp4") == 0
    Path("painted.mp4").write_bytes(store.contents("masks")["painted.mp4"])
    assert len(list(Video("painted.mp4"))) == 3


@pytest.mark.slow
def test_failing_slow_and_cut_requests_change_nothing(store: Store, run: Run, tmp_path: Path) -> None:
    assert run("predict", "ckpt=bundle", "input=photos", "output=here") == 0
    store.proxy.share = 0.3
    for number in range(4):
        assert run("predict", "ckpt=bundle", "input=photos", f"output={MASKS}{number}") == 0
        assert store.contents(f"masks{number}") == on_disk("here")
    assert run("predict", "ckpt=bundle", "input=photos", f"output={MASKS}0", "flip=true", "overwrite=true") == 0
    store.proxy.share = 0
    assert {"error", "slow", "cut", "cut request"} <= set(store.proxy.failed)
    for path in [*Path().rglob("*"), *(tmp_path / "cache").rglob("*")]:
        if path.is_file():
            assert not {SECRET.encode(), KEY.encode()} & set(re.findall(rb"[\w/+]{20,}", path.read_bytes())), path
    for content in store.contents("masks0").values():
        assert SECRET.encode() not in content
        assert KEY.encode() not in content


@pytest.mark.thorough
def test_a_file_that_is_sent_in_parts_arrives_whole(store: Store) -> None:
    content = np.random.default_rng(0).bytes(120 * 2**20)
    output = output_at(MASKS)
    store.proxy.share = 0.2
    for number in range(2):
        name = PurePosixPath(f"{number}.npy")
        output.write(name, lambda path: path.write_bytes(content))
        assert store.contents("masks")[str(name)] == content
    parts = [path for method, path, _ in store.proxy.requests if method == "PUT" and "partNumber" in path]
    assert len(parts) >= 2 * 3


@pytest.mark.slow
def test_processes_of_torchrun_share_a_store(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run("predict", "ckpt=bundle", "input=photos", "output=here") == 0
    forget()  # connections don't survive a fork
    codes, told = run_together(2, "predict", ["ckpt=bundle", "input=photos", f"output={MASKS}"], Path("told"))
    assert codes == [0, 0], told
    assert store.contents("masks") == on_disk("here")
    assert len(puts(store)) == 6


@pytest.mark.slow
def test_where_nothing_can_be_written(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(object_store, "_PAUSES", (0.01,))
    ask = ("predict", "ckpt=bundle", "input=photos")
    for words, message in {
        ("output=s3://no-such-bucket/masks",): "s3://no-such-bucket/masks/predict.json can't be written, because its",
        ("output=https://host/masks",): "https://host/masks can't be written, because a web server takes no files",
        ("output=nosuch://host/masks",): "can't be written, because nosuch:// is unknown: choose s3:// or gs://",
        ("output=s3://",): "s3:// names no bucket: write s3://bucket/folder",
        ("output=s3://a.json", "format=coco"): "output=s3://a.json is a bucket: add the name of the file",
        ("output=file:///masks",): "file:///masks is on this machine: give its path, without file://",
        (f"output=s3://me:{SECRET}@masks",): "s3://... is given with a user, a password or a query",
        (f"output={MASKS}", "format=pseudo"): "format=pseudo makes a folder of this machine to train on, and output=",
    }.items():
        assert run(*ask, *words) == 2
        told = capsys.readouterr().err
        assert message in told
        assert SECRET not in told
    pictures = store.put(Path("photos"), "photos")
    assert run("predict", "ckpt=bundle", f"input={pictures}", f"output={pictures}/masks") == 2
    assert f"output={pictures}/masks lies inside input={pictures}: the next run would" in capsys.readouterr().err
    assert not Path("s3:").exists()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    forget()
    assert run(*ask, f"output={MASKS}") == 2
    assert "there are no credentials" in capsys.readouterr().err


def check_place(output: Output) -> None:
    a, b, odd = (PurePosixPath(name) for name in ("a.txt", "below/b.txt", "[a]*.txt"))
    assert output.existing([a, b]) == set()
    assert output.read_text(a) is None
    for name in (a, b, odd):
        output.write_text(name, f"{name}: ä")
    assert output.existing([a, b, PurePosixPath("c.txt")]) == {a, b}
    assert output.directly(".txt") == {a, odd}
    assert (output.holds(b), output.holds(PurePosixPath("c.txt"))) == (True, False)
    assert output.read_text(b) == "below/b.txt: ä"
    with output.growing(a, "1\n") as append:
        append("2\n")
        append("3\n")
    assert output.read_text(a) == "1\n2\n3\n"
    output.remove([odd, b])
    if isinstance(output, StoreFolder):
        output.remove([odd, b])  # as after an answer that was lost
    assert output.existing([a, b, odd]) == {a}
    with pytest.raises(OutputError, match=r"can't be read|can't be written"):
        output.write(b, lambda path: (_ for _ in ()).throw(OutputError("it can't be written")))
    assert output.existing([a, b]) == {a}


@pytest.fixture
def addresses(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    forget()
    with create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET):
        yield {"disk": str(tmp_path / "out"), "s3": MASKS, "gs": f"gs://{BUCKET}/masks", "memory": "memory://masks"}
    fsspec.filesystem("memory").rm("/masks", recursive=True)
    forget()


def test_places_behave_alike(addresses: dict[str, str]) -> None:
    for kind, address in addresses.items():
        output = output_at(address)
        assert isinstance(output, StoreFolder) == (kind != "disk")
        check_place(output)
