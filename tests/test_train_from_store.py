"""Whole commands with data in an object store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run, zipped
from object_server import KEY, SECRET, Store, s3_store
from real_frames import REAL_CAMVID, needs_camvid

from segrnn.datasets.demo_scenes import write_demo
from segrnn.images.object_store import local_cache
from segrnn.training import SegmentationModule


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    with s3_store(monkeypatch, tmp_path) as store:
        yield store


def train_from(
    roots: dict[str, str], data: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, list[float]]:
    """Train from each root for four steps, and check that the weights are the same. Gives the losses."""
    losses: dict[str, list[float]] = {}
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        result = original(module, batch)
        losses.setdefault(run_id, []).append(float(result["loss"]))
        return result

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    recipe = [*SMALL, f"data={data}", "trainer.max_steps=4", "trainer.validate_every_n_steps=4", "data.workers=2"]
    for run_id, root in roots.items():
        monkeypatch.setenv("SEGRNN_CACHE", str(tmp_path / f"cache of {run_id}"))
        local_cache.cache_clear()
        assert run("train", *recipe, f"data.root={root}", f"run_id={run_id}") == 0
    first, *others = (
        torch.load(f"runs/train/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for name in roots
    )
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    return losses


@pytest.mark.slow
def test_a_training_from_a_store_is_the_training_from_disk(
    store: Store, camvid: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    roots = {
        "disk": str(camvid),
        "folder": store.put(camvid, "camvid"),
        "zip": store.put(zipped(camvid, tmp_path / "camvid.zip", "CamVid"), "camvid.zip"),
    }
    store.proxy.share = 0.05
    losses = train_from(roots, "camvid", run, monkeypatch, tmp_path)
    assert len(losses["disk"]) == 4
    assert losses["disk"] == losses["folder"] == losses["zip"]
    assert store.proxy.failed

    store.proxy.share = 0
    best = "runs/train/zip/checkpoints/best.ckpt"
    assert run("evaluate", f"ckpt={best}", "data.workers=0") == 2
    assert "a network's file can't send this machine to an address" in capsys.readouterr().err
    for name, source in {"here": f"{camvid}/val", "there": f"{roots['folder']}/val"}.items():
        assert run("predict", f"ckpt={best}", f"input={source}", f"output={name}") == 0
    here, there = ({path.name: path.read_bytes() for path in Path(name).glob("*.png")} for name in ("here", "there"))
    assert len(here) == 5
    assert here == there

    for path in tmp_path.rglob("*"):
        if path.is_file() and "camvid" not in path.parts:
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert KEY.encode() not in content, path


@pytest.mark.thorough
def test_the_demo_from_a_store(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_demo(tmp_path / "demo")
    archive = zipped(tmp_path / "demo", tmp_path / "demo.zip")
    roots = {"disk": str(tmp_path / "demo"), "folder": store.put(tmp_path / "demo", "demo")}
    roots["zip"] = store.put(archive, "demo.zip")
    store.proxy.share = 0.05
    losses = train_from(roots, "demo", run, monkeypatch, tmp_path)
    assert losses["disk"] == losses["folder"] == losses["zip"]


@pytest.mark.thorough
@needs_camvid
def test_real_frames_from_a_store(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    archive = zipped(REAL_CAMVID, tmp_path / "camvid.zip", "CamVid")
    roots = {"disk": str(REAL_CAMVID), "folder": store.put(REAL_CAMVID, "real")}
    roots["zip"] = store.put(archive, "real.zip")
    store.proxy.share = 0.05
    losses = train_from(roots, "camvid", run, monkeypatch, tmp_path)
    assert losses["disk"] == losses["folder"] == losses["zip"]
