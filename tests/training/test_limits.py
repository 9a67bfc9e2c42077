"""What a run does with too little memory, numbers that are none, and batches that can't be dealt out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, Run

from segrnn.models import Segmenter
from segrnn.training import SegmentationModule


@pytest.fixture
def arguments(camvid: Path) -> list[str]:
    return [*SMALL, "data=camvid", f"data.root={camvid}", "run_id=run"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.batch_size=3", "trainer.micro_batch_size=2"], "does not divide the 3 images of each process"),
        (["trainer.devices=1000"], "is more than this machine's"),
        pytest.param(
            ["trainer=gpu", "trainer.accelerator=gpu", "trainer.devices=2"],
            "finds none here: choose trainer=cpu or trainer=ddp_cpu",
            marks=pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU"),
        ),
        (["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=1"], "trainer.strategy=fsdp needs GPUs"),
        (
            ["trainer=ddp_cpu", "trainer.devices=2", "data.batch_size=3"],
            "data.batch_size=3, the batch of all processes",
        ),
        (["trainer.micro_batch_size=0"], "trainer.micro_batch_size=0 must be at least 1"),
        (["trainer.ema_decay=1.5"], "trainer.ema_decay=1.5 must be between 0 and 1"),
        (["trainer.max_minutes=0"], "trainer.max_minutes=0.0 must be above 0"),
        (["trainer.strategy=magic"], "trainer: "),
        (["schedule=warmup_poly"], "schedule.warmup_steps"),
        (["optimizer.optimizer.momentumm=0.9"], "momentumm"),
        (["trainer.devices=0"], "trainer.devices=0"),
    ],
)
def test_what_can_not_work_is_refused_with_the_way_out(
    run: Run, arguments: list[str], overrides: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", *arguments, *overrides) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs/train/run/checkpoints").exists()


@pytest.mark.slow
def test_parts_of_a_batch_count_by_their_valid_pixels(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network without batch norms takes the same steps, whatever the parts."""
    losses: dict[int, list[float]] = {}
    original = SegmentationModule.training_step

    def recorded(module: SegmentationModule, batch: tuple) -> dict:
        result = original(module, batch)
        losses.setdefault(module.micro_batch_size or 0, []).append(float(result["loss"]))
        return result

    monkeypatch.setattr(SegmentationModule, "training_step", recorded)
    plain = ["model=unet", "model.encoder_name=vgg11", "+model.decoder_use_norm=false", "encoder.weights=null"]
    small = ["+model.decoder_channels=[16,16,8,8,8]", "data.scale=[0.3,3]", "context=none"]
    others = [argument for argument in arguments if not argument.startswith(("model.", "context."))]
    for size in ("null", "1", "2"):
        assert run("train", *others, *plain, *small, f"trainer.micro_batch_size={size}", f"run_id=parts_{size}") == 0
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    np.testing.assert_allclose(losses[2], losses[0], rtol=1e-5)


@pytest.mark.parametrize("what", ["loss", pytest.param("norm of the gradient", marks=pytest.mark.slow)])
def test_a_loss_that_is_no_number_stops_the_run_before_it_harms(
    run: Run, arguments: list[str], what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = SegmentationModule.losses_of

    def failing(module: SegmentationModule, images: torch.Tensor, masks: torch.Tensor) -> list[torch.Tensor]:
        loss, *parts = original(module, images, masks)
        if module.trainer.global_step < 2:
            return [loss, *parts]
        if what == "loss":
            return [loss * float("nan"), *parts]
        zero = (loss - loss.detach()).abs()  # of which the root is 0, and its slope infinite
        return [loss + zero.sqrt(), *parts]

    monkeypatch.setattr(SegmentationModule, "losses_of", failing)
    assert run("train", *arguments) == 2
    error = capsys.readouterr().err
    assert f"the {what} is nan in step 3" in error
    report = json.loads(Path("runs/train/run/failed_step.json").read_text())
    assert report["step"] == 3
    assert len(report["images"]) == 4
    assert all(name.startswith("0001TP_") for name in report["images"])
    weights = torch.load("runs/train/run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_too_little_memory_says_what_to_lower(
    run: Run, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(model: Segmenter, image: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nand more")

    monkeypatch.setattr(Segmenter, "forward_with_auxiliary", full)
    assert run("train", *arguments) == 2
    error = capsys.readouterr().err
    assert "too small for 4 crops of 32 x 32 at a time (CUDA out of memory. Tried to allocate 20.00 GiB.)" in error
    assert "trainer.micro_batch_size=2" in error


@pytest.mark.slow
def test_a_run_stops_where_validations_get_no_better(
    run: Run, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    patient = [*arguments, "optimizer.lr=0", "optimizer.encoder_lr=0", "optimizer.recurrent_lr=0", "trainer.patience=2"]
    patient += ["trainer.max_steps=50", "trainer.validate_every_n_steps=1", "model=fcn_stride8", "schedule=constant"]
    assert run("train", *patient, "encoder.name=vgg11", "model.encoder_depth=3") == 0
    steps = torch.load("runs/train/run/checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert 3 <= steps < 50
    capsys.readouterr()
    assert run("train", *patient, "encoder.name=vgg11", "model.encoder_depth=3", "ckpt=auto") == 0  # and stays there
    assert torch.load("runs/train/run/checkpoints/last.ckpt", weights_only=True)["global_step"] == steps


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(["trainer.precision=bf16-mixed"], marks=pytest.mark.thorough),
        pytest.param(["trainer.channels_last=true", "trainer.checkpoint_encoder=true"], marks=pytest.mark.slow),
    ],
    ids=["bf16", "channels_last and checkpoint_encoder"],
)
def test_ways_to_save_memory_train(run: Run, arguments: list[str], overrides: list[str]) -> None:
    assert run("train", *arguments, *overrides) == 0


@pytest.mark.parametrize(
    "debug",
    [
        pytest.param("fast", marks=pytest.mark.slow),
        *(pytest.param(debug, marks=pytest.mark.thorough) for debug in ("overfit", "profile", "lr_range")),
    ],
)
def test_debug_runs(run: Run, camvid: Path, debug: str, capsys: pytest.CaptureFixture[str]) -> None:
    small = [argument for argument in SMALL if not argument.startswith("trainer.")]
    steps = {"fast": [], "lr_range": ["trainer.max_steps=25", "schedule.end=1e6"]}.get(debug, ["trainer.max_steps=3"])
    arguments = [*small, "data=camvid", f"data.root={camvid}", "trainer=cpu", f"debug={debug}", "run_id=run", *steps]
    assert run("train", *arguments) in ((0, 2) if debug == "lr_range" else (0,))  # where rates are too high, losses end
    folder = Path("runs/train/run")
    if debug == "profile":
        assert "run_training_batch" in (folder / "fit-profile.txt").read_text()
    if debug == "lr_range":
        assert (folder / "lr_range.png").stat().st_size > 5000
    if debug == "overfit":
        assert "4 images, train of camvid" in capsys.readouterr().out
