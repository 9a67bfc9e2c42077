"""What a W&B service receives from trainings, evaluations, searches and benchmarks, online and by `wandb sync`."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from conftest import SMALL, Run
from PIL import Image
from wandb_page import alone
from wandb_service import WandbService, serve_wandb

from segrnn.labels import CAMVID
from segrnn.training import SegmentationModule

__all__ = ["alone"]  # a fixture

NAMES = ["0001TP_000000", "0001TP_000003"]


@pytest.fixture
def service(alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbService]:
    with serve_wandb() as service:
        monkeypatch.setenv("WANDB_BASE_URL", service.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        wandb.teardown()  # the settings of tests before
        yield service
        wandb.teardown()


@pytest.fixture
def recipe(camvid: Path) -> list[str]:
    examples = f"examples.names=[{','.join(NAMES)}]"
    return [*SMALL, "data=camvid", f"data.root={camvid}", "trainer.max_steps=4", "logger=wandb", examples]


def of_job(service: WandbService, job: str) -> list[str]:
    return [name for name, run in service.runs.items() if run.get("jobType") == job]


def config(service: WandbService, run: str) -> dict[str, Any]:
    return {key: value["value"] for key, value in json.loads(service.runs[run]["config"]).items()}


def check_curves(service: WandbService, run: str, path: Path) -> None:
    """Every value that was written as CSV has arrived, at its step."""
    arrived = {}
    for point in service.history[run]:
        arrived |= {(key, point.get("trainer/global_step")): value for key, value in point.items()}
    with path.open() as file:
        rows = list(csv.DictReader(file))
    written = {
        (key, int(row["step"]) + 1): float(value)
        for row in rows
        for key, value in row.items()
        if value and key not in ("step", "epoch")
    }
    assert len(written) > 20
    for (key, step), value in written.items():
        assert arrived[key, step] == pytest.approx(value, rel=1e-6), (key, step)


def check_masks(service: WandbService, run: str, camvid: Path, masks: Path) -> None:
    """The masks that a browser would show are those of `predict`, pixel by pixel."""
    last = [point["val/examples"] for point in service.history[run] if "val/examples" in point][-1]
    assert len(last["all_masks"]) == len(NAMES)
    for name, layers in zip(NAMES, last["all_masks"], strict=True):
        shown = {
            layer: np.array(Image.open(io.BytesIO(service.files[run][mask["path"]]))) for layer, mask in layers.items()
        }
        truth, predicted = (
            CAMVID.encode(np.array(Image.open(folder / f"{name}.png"))) for folder in (camvid / "valannot", masks)
        )
        np.testing.assert_array_equal(shown["ground_truth"], truth)
        np.testing.assert_array_equal(shown["prediction"], predicted)


@pytest.mark.slow
def test_all_commands_online(
    run: Run, recipe: list[str], camvid: Path, service: WandbService, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = "logger.mode=online"
    assert run("train", *recipe, online, "run_id=first") == 0
    ckpt = "ckpt=runs/train/first/checkpoints/best.ckpt"
    (training,) = of_job(service, "train")
    check_curves(service, training, Path("runs/train/first/csv/metrics.csv"))
    assert run("predict", "ckpt=runs/train/first/checkpoints/last.ckpt", f"input={camvid}/val", "output=masks") == 0
    check_masks(service, training, camvid, Path("masks"))
    assert service.runs[training]["exit_code"] == 0
    models = [artifact for artifact in service.artifacts.values() if artifact["type"] == "model"]
    assert [sorted(set(model["aliases"]) & {"best", "last"}) for model in models] == [["best"], ["last"]]
    for model, name in zip(models, ("best", "last"), strict=True):
        content = model["files"][f"{name}.ckpt"]
        assert content == Path(f"runs/train/first/checkpoints/{name}.ckpt").read_bytes()
        assert torch.load(io.BytesIO(content), weights_only=True)["global_step"] > 0

    name = f"model-{training}"
    monkeypatch.setenv("WANDB_ARTIFACT_DIR", "fetched")
    assert run("evaluate", f"ckpt=wandb://me/segrnn/{name}:last", "hydra.run.dir=of_artifact") == 0
    assert run("evaluate", ckpt.replace("best", "last"), "hydra.run.dir=of_file") == 0
    assert Path("of_artifact/confusion.npz").read_bytes() == Path("of_file/confusion.npz").read_bytes()

    assert run("evaluate", ckpt, "logger=wandb", online, "hydra.run.dir=scored") == 0
    (evaluation,) = of_job(service, "evaluate")
    scores = json.loads(Path("scored/metrics.json").read_text())
    assert service.runs[evaluation]["summary"]["mIoU"] == pytest.approx(scores["miou"])
    assert config(service, evaluation)["trainings"] == [training]
    assert service.runs[evaluation]["groupName"] == service.runs[training]["groupName"]
    report = next(content for name, content in service.files[evaluation].items() if name.endswith(".html"))
    assert report == Path("scored/report.html").read_bytes()

    ask = ["contexts=[convolutions]", "sizes=[[4,8]]", "channels=8", "hidden=8", "field_size=[8,8]", "repeats=1"]
    assert run("benchmark", "contexts", *ask, "logger=wandb", online, "hydra.run.dir=costs") == 0
    (benchmark,) = of_job(service, "benchmark")
    (table,) = [content for name, content in service.files[benchmark].items() if "costs" in name and "json" in name]
    assert json.loads(table)["data"][0][0] == "convolutions"

    study = ["study.name=rates", "study.trials=2", "study.space={optimizer.lr: {low: 0.001, high: 0.01}}"]
    assert run("search", *recipe, online, *study) == 0
    (search,) = of_job(service, "search")
    trials = [name for name in of_job(service, "train") if name != training]
    assert len(trials) == 2
    assert {service.runs[name]["groupName"] for name in (search, *trials)} == {"rates"}
    with Path("runs/search/rates/search.csv").open() as file:
        best = max(float(row["miou"]) for row in csv.DictReader(file))
    assert service.runs[search]["summary"]["mIoU of the best trial"] == pytest.approx(best)


@pytest.mark.slow
def test_an_offline_run_is_synced_with_its_masks(
    run: Run, recipe: list[str], camvid: Path, service: WandbService
) -> None:
    assert run("train", *recipe, "run_id=later") == 0
    assert service.runs == {}
    (folder,) = Path("runs/train/later/wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "sync", str(folder)]
    subprocess.run(command, check=True, env=dict(os.environ), capture_output=True, timeout=300)
    (training,) = of_job(service, "train")
    check_curves(service, training, Path("runs/train/later/csv/metrics.csv"))
    assert run("predict", "ckpt=runs/train/later/checkpoints/last.ckpt", f"input={camvid}/val", "output=masks") == 0
    check_masks(service, training, camvid, Path("masks"))
    kinds = [artifact["type"] for artifact in service.artifacts.values() if artifact.get("committed")]
    assert (kinds.count("model"), kinds.count("dataset"), kinds.count("scores")) == (2, 1, 1)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # W&B's own, to its service that was ended
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        pytest.param("slow", "W&B can't be reached (CommError: ", marks=pytest.mark.thorough),
        pytest.param(
            "refuses", "HTTP Error 500: Internal Server Error): the run is written to files", marks=pytest.mark.slow
        ),
        pytest.param("stops", "HTTP Error 500: Internal Server Error): the run continues", marks=pytest.mark.thorough),
    ],
    ids=lambda value: value.partition(" ")[0],
)
def test_a_server_in_trouble_ends_no_run(
    trouble: str,
    said: str,
    run: Run,
    recipe: list[str],
    service: WandbService,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    service.delay, service.broken = (5 if trouble == "slow" else 0), trouble == "refuses"
    original = SegmentationModule.training_step

    def step(module: SegmentationModule, batch: Any) -> Any:
        service.broken = service.broken or (trouble == "stops" and module.trainer.global_step == 2)
        return original(module, batch)

    monkeypatch.setattr(SegmentationModule, "training_step", step)
    waits = ["logger.mode=online", "logger.init_timeout=2", "logger.finish_timeout=3"]
    start = time.monotonic()
    assert run("train", *recipe, *waits, "run_id=troubled") == 0
    assert time.monotonic() - start < 150
    out = capfd.readouterr().out
    assert said in out
    assert out.count("W&B can't be reached (") + out.count("W&B fails (") == 1
    assert Path("runs/train/troubled/checkpoints/last.ckpt").exists()
    service.broken, service.delay = False, 0
