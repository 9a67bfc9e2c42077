"""``data.batch_size=auto`` takes the most crops that fit into memory."""

import os
from pathlib import Path

import pytest
import torch
import yaml
from conftest import Run

from segrnn.config.composition import compose
from segrnn.config.model import build_model
from segrnn.config.schema import Train
from segrnn.labels import CAMVID
from segrnn.losses import CrossEntropy
from segrnn.measure import peak_memory
from segrnn.training import Interruption, SegmentationModule, batch_size, find_batch_size

CPU = torch.device("cpu")
RECIPE = ["data=camvid", "data.root=.", "context.hidden=8", "encoder.weights=null"]


@pytest.fixture
def module() -> SegmentationModule:
    segmenter, info = build_model(compose(Train, RECIPE), CAMVID, [])
    with Interruption(None) as interruption:
        return SegmentationModule(
            segmenter, info, CrossEntropy(), lambda _: None, lambda *_: None, 0, None, 1.0, interruption
        )


def test_the_step_fits_and_a_larger_one_does_not(module: SegmentationModule, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 60 * 2**20
    monkeypatch.setattr(batch_size, "_free_memory", lambda _: free)
    size = find_batch_size(module, (64, 96), 3, "32-true", 1000, CPU)
    assert 4 < size < 1000

    def step(crops: int) -> int:
        images = torch.zeros(crops, 3, 64, 96, dtype=torch.uint8)
        return peak_memory(lambda: module.losses_of(images, images[:, 0])[0].backward(), CPU)

    kept = 12 * sum(parameter.numel() for parameter in module.model.parameters())
    assert step(size) + kept <= 1.02 * free
    assert step(size + 1) + kept > 0.98 * free


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_precision_counts(module: SegmentationModule, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "_free_memory", lambda _: 60 * 2**20)
    usual = find_batch_size(module, (64, 96), 3, "32-true", 1000, CPU)
    other = find_batch_size(module, (64, 96), 3, precision, 1000, CPU)
    assert other > usual if precision == "bf16-mixed" else other < 0.7 * usual


def test_the_bounds(module: SegmentationModule, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_batch_size(module, (64, 96), 3, "32-true", 7, CPU) == 7  # no more than there are images
    monkeypatch.setattr(batch_size, "_free_memory", lambda _: 1000)
    assert find_batch_size(module, (64, 96), 3, "32-true", 7, CPU) == 1


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    monkeypatch.setattr(batch_size, "_LIMIT", limit)
    monkeypatch.setattr(batch_size, "_USED", used)
    whole = batch_size._free_memory(CPU)
    used.write_text("1000000\n")
    limit.write_text("3000000\n")
    assert batch_size._free_memory(CPU) == pytest.approx(0.7 * 2_000_000)
    limit.write_text("max\n")  # no limit
    assert batch_size._free_memory(CPU) == pytest.approx(whole, rel=0.5)


@pytest.mark.slow
def test_a_run_says_its_size_and_keeps_it(run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["data=camvid", f"data.root={camvid}", "context.hidden=8", "encoder.weights=null", "data.crop=[32,32]"]
    chosen += ["data.workers=0", "trainer.max_train_images=5", "trainer.max_val_images=1", "run_id=run"]
    assert run("train", *chosen, "data.batch_size=auto", "trainer.max_steps=1") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "data.batch_size=auto is 5: 5 crops of 32 x 32 are as many as there are images" in shown
    first = torch.load("runs/train/run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert yaml.safe_load(Path("runs/train/run/config.yaml").read_text())["data"]["batch_size"] == 5

    more = [*chosen, "trainer.max_train_images=8", "data.batch_size=auto", "trainer.max_steps=2", "ckpt=auto"]
    assert run("train", *more) == 0
    assert "data.batch_size=auto stays 5, as this run began" in " ".join(capsys.readouterr().out.split())

    # the search for the size changes nothing about the run
    os.rename("runs/train/run", "runs/train/found")
    assert run("train", *chosen, "data.batch_size=5", "trainer.max_steps=1") == 0
    again = torch.load("runs/train/run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.batch_size=all"], "data.batch_size=all must be a number or auto"),
        (["data.batch_size=0"], "data.batch_size=0 must be at least 1"),
        (["data.batch_size=auto", "trainer.micro_batch_size=2"], "choose one of the two"),
        (["data.batch_size=auto", "trainer.devices=2"], "find the number with trainer.devices=1"),
    ],
)
def test_mistakes(
    overrides: list[str], message: str, run: Run, camvid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "data=camvid", f"data.root={camvid}", "encoder.weights=null", *overrides) == 2
    assert message in " ".join(capsys.readouterr().err.split())
