"""Whole commands with data in shards: the losses of files, from a disk and from a store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run
from object_server import KEY, SECRET, Store, s3_store
from recorded_steps import RECORDED

from segrnn.config.composition import compose
from segrnn.config.data import build_dataset
from segrnn.config.schema import Train
from segrnn.datasets.demo_scenes import write_demo
from segrnn.errors import ConfigError, DataError
from segrnn.images.object_store import local_cache
from segrnn.tasks import train
from segrnn.training import SegmentationModule

RECIPE = [*SMALL, "data=camvid", "trainer.max_steps=6", "trainer.validate_every_n_steps=3"]
PACK = ["data=camvid", "format=webdataset", "shard_mb=0.01", "workers=0"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    with s3_store(monkeypatch, tmp_path) as store:
        yield store


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple]]:
    """The images and the loss of each step, by the name of the run."""
    found: dict[str, list[tuple]] = {}
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        names = module.trainer.datamodule.next_names()
        result = original(module, batch)
        found.setdefault(Path(module.trainer.default_root_dir).name, []).append((names, float(result["loss"])))
        return result

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    return found


def weights(run_id: str) -> dict[str, torch.Tensor]:
    return torch.load(f"runs/train/{run_id}/checkpoints/last.ckpt", weights_only=True)["state_dict"]


def require_same_runs(losses: dict[str, list[tuple]], *run_ids: str) -> None:
    first = weights(run_ids[0])
    assert len(losses[run_ids[0]]) == 6
    for other in run_ids[1:]:
        assert losses[other] == losses[run_ids[0]]
        assert all(torch.equal(first[name], tensor) for name, tensor in weights(other).items()), other
        assert Path(f"runs/train/{other}/metrics.json").read_bytes() == (
            Path(f"runs/train/{run_ids[0]}/metrics.json").read_bytes()
        )


@pytest.mark.slow
def test_a_training_from_shards_in_a_store_is_the_training_from_files(
    store: Store, camvid: Path, run: Run, losses: dict[str, list[tuple]], tmp_path: Path, capsys
) -> None:
    assert run("prepare", "pack", *PACK, f"data.root={camvid}", "output=shards") == 0
    count = len(list(Path("shards").glob("train-*.tar")))
    assert count == 3
    assert "train on them with data=camvid data.stream=shards, or copy the folder to a store" in capsys.readouterr().out
    mixed = f"data.mixed_shards={count}"  # all shards, so that the order is that of files
    address = store.put(Path("shards"), "shards of camvid")
    store.proxy.share = 0.3
    assert run("train", *RECIPE, f"data.root={camvid}", "run_id=files") == 0
    assert run("train", *RECIPE, "data.root=nowhere", "data.stream=shards", mixed, "run_id=disk") == 0
    assert "train: 6 images in 3 shards" in capsys.readouterr().out
    assert run("train", *RECIPE, f"data.stream={address}", mixed, "data.workers=2", "run_id=store") == 0
    require_same_runs(losses, "files", "disk", "store")
    assert store.proxy.failed

    for path in tmp_path.rglob("*"):
        if path.is_file() and "camvid" not in path.parts:
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert KEY.encode() not in content, path


def downloads(store: Store) -> list[str]:
    return [path.rpartition("/")[2] for method, path, _ in store.proxy.requests if method == "GET" and ".tar" in path]


@pytest.mark.thorough
def test_a_set_larger_than_the_cache_is_downloaded_about_once_in_a_pass(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_demo(Path("demo"), train=60, val=4)
    demo = ["data=demo", "data.root=demo"]
    assert run("prepare", "pack", *demo, *PACK[1:], "shard_mb=0.2", "output=shards") == 0
    shards = sorted(Path("shards").glob("train-*.tar"))
    size, count = max(path.stat().st_size for path in shards), len(shards)
    assert count >= 15
    limit = 6 * size
    monkeypatch.setenv("SEGRNN_CACHE_GB", f"{limit / 1e9}")
    local_cache.cache_clear()
    address = store.put(Path("shards"), "larger")
    largest = 0
    evict = type(local_cache())._evict

    def measured(cache: object, coming: int) -> None:
        nonlocal largest
        evict(cache, coming)
        kept = sum(path.stat().st_size for path in (tmp_path / "cache").glob("??/*"))
        largest = max(largest, kept + coming)

    monkeypatch.setattr(type(local_cache()), "_evict", measured)
    remarks = train._remarks

    def look_first(*arguments: object) -> list[str]:
        found = remarks(*arguments)
        store.proxy.requests.clear()  # for up to two seconds, it has looked at labels all over the split
        return found

    monkeypatch.setattr(train, "_remarks", look_first)
    recipe = [*SMALL, *demo, f"data.stream={address}", "data.mixed_shards=3", "data.batch_size=4"]
    steps = 3 * 60 // 4
    assert run("train", *recipe, f"trainer.max_steps={steps}", f"trainer.validate_every_n_steps={steps}") == 0
    taken = [name for name in downloads(store) if name.startswith("train")]
    print(f"{len(taken)} downloads of {count} shards in 3 passes; at most {largest} bytes of {limit}")
    assert 3 * count - 10 <= len(taken) <= 3.2 * count
    assert 3 * size < largest <= limit


@pytest.fixture
def packed(run: Run, camvid: Path) -> Path:
    assert run("prepare", "pack", *PACK, f"data.root={camvid}", "output=shards") == 0
    Path("recorded.py").write_text(RECORDED)
    return Path("shards").resolve()


def steps(run_id: str, rank: int = 0) -> list:
    return [json.loads(line) for line in Path(f"runs/train/{run_id}/steps_{rank}.jsonl").read_text().splitlines()]


STREAMED = ["data=camvid", "data.mixed_shards=2", "data.stream=shards", *SMALL]


@pytest.mark.thorough
def test_a_network_is_scored_on_a_stream_that_the_user_names(
    store: Store, packed: Path, camvid: Path, run: Run, capsys
) -> None:
    address = store.put(packed, "scored")
    assert run("train", *RECIPE, f"data.stream={address}", "run_id=store") == 0
    best = "ckpt=runs/train/store/checkpoints/best.ckpt"
    assert run("evaluate", best, "data.workers=0") == 2
    told = capsys.readouterr().err
    assert f"the data was at {address} during training, and a network's file can't send this machine to an" in told
    for number, place in enumerate((f"data.stream={address}", "data.stream=shards", f"data.root={camvid}")):
        assert run("evaluate", best, "data.workers=0", place, f"hydra.run.dir=scores{number}") == 0
    scores = [json.loads(Path(f"scores{number}/metrics.json").read_text())["miou"] for number in range(3)]
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.thorough
def test_a_killed_training_goes_on_as_if_nothing_had_happened(packed: Path) -> None:
    recipe = [*STREAMED, "trainer.max_steps=40", "checkpoint.every_n_steps=3", "data.workers=2"]
    command = [sys.executable, "recorded.py", *recipe]
    process = subprocess.Popen([*command, "run_id=killed"], start_new_session=True)
    record = Path("runs/train/killed/steps_0.jsonl")
    try:
        while not record.exists() or len(record.read_text().splitlines()) < 8:
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    killed = steps("killed")
    record.unlink()
    subprocess.run([*command, "run_id=killed", "ckpt=auto"], check=True)
    subprocess.run([*command, "run_id=whole", "data.workers=0"], check=True)
    whole, resumed = steps("whole"), steps("killed")
    assert killed == whole[: len(killed)]
    assert 0 < resumed[0][0] <= len(killed)
    assert resumed == whole[resumed[0][0] :]
    one, other = weights("whole"), weights("killed")
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_loading_processes_change_nothing(packed: Path, run: Run, losses: dict[str, list[tuple]]) -> None:
    for workers in (0, 1, 2, 4):
        assert run("train", *STREAMED, "trainer.max_steps=6", f"data.workers={workers}", f"run_id=w{workers}") == 0
    require_same_runs(losses, "w0", "w1", "w2", "w4")


@pytest.mark.thorough
def test_processes_share_a_stream(packed: Path) -> None:
    recipe = [word for word in STREAMED if not word.startswith("trainer.accelerator")]
    recipe += ["trainer.max_steps=6", "trainer.precision=64-true"]
    subprocess.run([sys.executable, "recorded.py", *recipe, "trainer=cpu", "run_id=p1"], check=True)
    for count in (2, 4):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), "recorded.py"]
        subprocess.run([*launcher, *recipe, "trainer=ddp_cpu", f"run_id=p{count}"], check=True)
        assert [step[:2] for step in steps(f"p{count}")] == [step[:2] for step in steps("p1")]
        for (*_, loss), (*_, alone) in zip(steps(f"p{count}"), steps("p1"), strict=True):
            assert loss == pytest.approx(alone, rel=1e-10)
    names = [name for _, batch, _ in steps("p1") for name in batch]
    assert len(names) == 24
    assert all(len(set(names[start : start + 6])) == 6 for start in range(0, 24, 6))  # each image once a pass


@pytest.mark.thorough
def test_samples_and_files_of_a_stream_are_looked_at_and_checked(packed: Path, run: Run, capsys) -> None:
    stream = ["data=camvid", "data.root=nowhere", "data.stream=shards"]
    assert run("prepare", "look", *stream, "data.crop=[32,32]", "count=2") == 0
    assert Path("runs/look/camvid_train.png").stat().st_size
    assert run("prepare", "check", *stream) == 0
    assert "train: 6 pairs of image and label, 0 problems" in capsys.readouterr().out
    assert run("prepare", "stats", *stream) == 0
    repeated = ["data.stats=runs/stats/camvid_train.json", "data.repeat_threshold=0.9", "trainer.max_steps=2"]
    assert run("train", *STREAMED, *repeated) == 0


@pytest.mark.thorough
def test_a_stream_that_does_not_fit_is_refused(packed: Path, run: Run, capsys) -> None:
    cases = {
        "data=cityscapes": "was packed from camvid with the classes sky, building, pole, ... and with _target_=",
        "data.split=test": "index.json has no split 'test'; it has train, val. Pack it, too: python -m segrnn.prepare",
        "data.stream=elsewhere": "index.json does not exist: data.stream= needs the folder that python -m segrnn.prep",
        "data.stream=s3://me:secret@bucket/a": "is given with a user, a password or a query, which would be saved",
        "data.mixed_shards=0": "data.mixed_shards=0 must be at least 1",
    }
    for override, told in cases.items():
        assert run("train", *SMALL, "data=camvid", "data.stream=shards", override) == 2
        error = capsys.readouterr().err
        assert told in error
        assert "Traceback" not in error
        assert "secret" not in error


def test_a_stream_keeps_the_arguments_with_which_it_was_packed(own_folder: Path, run: Run) -> None:
    own = ["data=folder", f"data.root={own_folder}", "data.crop=[32,32]"]
    assert run("prepare", "pack", *own[:2], *PACK[1:], "data.dataset.max_pixels=5000", "output=own") == 0
    data = compose(Train, [*own, "data.stream=own"]).data
    assert len(build_dataset(data, "train+val")) == sum(len(build_dataset(data, split)) for split in ("train", "val"))
    data.dataset["fold"] = 1
    with pytest.raises(
        ConfigError, match=r"own was packed from folder with the classes .* fold=None, but data\.dataset"
    ):
        build_dataset(data, "train")
    data.dataset.update(fold=None, max_pixels=10)
    with pytest.raises(DataError, match="max_pixels=10"):
        build_dataset(data, "train")[0]


@pytest.mark.thorough
def test_what_can_not_be_packed_leaves_nothing_behind(camvid: Path, run: Run, capsys) -> None:
    cases = {
        "format=litdata": "format=litdata must be one of arrays, webdataset",
        "splits=[train+val]": "splits has train+val, but each split has shards of its own: write splits=[train,val]",
        "shard_mb=0": "shard_mb=0",
        "splits=[train,vall]": "holds no images of the split 'vall'",
    }
    for override, told in cases.items():
        assert run("prepare", "pack", *PACK, f"data.root={camvid}", "output=shards", override) == 2
        assert told in capsys.readouterr().err
        assert list(Path().glob("*shards*")) == []
