"""What an MLflow server on loopback receives, and that nothing about it can end a run."""

import csv
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from PIL import Image

from segrnn.labels import CAMVID
from segrnn.reports import read_examples, write_rows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.3)
        yield url
        process.terminate()


@pytest.fixture
def recipe(camvid: Path) -> list[str]:
    return [*SMALL, "data=camvid", f"data.root={camvid}", "trainer.max_steps=4", "logger=mlflow"]


def runs(client: MlflowClient, experiment: str) -> list[MlflowRun]:
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])


def files(client: MlflowClient, run: MlflowRun, folder: str = "") -> set[str]:
    return {file.path for file in client.list_artifacts(run.info.run_id, folder)}


@pytest.mark.thorough
def test_a_server_receives_everything(run: Run, recipe: list[str], server: str, tmp_path: Path) -> None:
    send = [f"logger.tracking_uri={server}", "logger.experiment=streets", "logger.register=street_net"]
    assert run("train", *recipe, *send, "run_id=first") == 0
    client = MlflowClient(server)
    (training,) = runs(client, "streets")
    assert (training.info.run_name, training.info.status) == ("first", "FINISHED")
    assert training.data.params["context.hidden"] == "8"
    assert training.data.params["run.parameters"].isdecimal()

    # curves, point by point those of the file
    with Path("runs/train/first/csv/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for key in ("train/loss", "train/gradient_norm", "val/loss", "val/miou", "val/iou/sky", "lr-AdamW/encoder"):
        written = [(int(row["step"]) + 1, pytest.approx(float(row[key]))) for row in rows if row[key]]
        assert written
        found = client.get_metric_history(training.info.run_id, key)
        assert [(point.step, point.value) for point in found] == written, key

    # pictures and files
    assert files(client, training, "panels") == {"panels/step_00000002.jpg", "panels/step_00000004.jpg"}
    place = client.download_artifacts(training.info.run_id, "panels/step_00000004.jpg", str(tmp_path))
    kept = read_examples(Path("runs/train/first"))
    assert kept is not None
    write_rows(kept.examples, CAMVID, tmp_path / "wanted.jpg")  # the images themselves were compressed once more
    masks = [np.asarray(Image.open(path))[:, 320:] for path in (place, tmp_path / "wanted.jpg")]
    assert np.array_equal(*masks)
    assert files(client, training) >= {"metrics.json", "confusion.png", "config.yaml", "checkpoints"}
    place = client.download_artifacts(training.info.run_id, "checkpoints/best.ckpt", str(tmp_path))
    assert Path(place).read_bytes() == Path("runs/train/first/checkpoints/best.ckpt").read_bytes()
    (version,) = client.search_model_versions("name = 'street_net'")
    assert version.run_id == training.info.run_id

    # an evaluation is below its training
    send = ["logger=mlflow", f"logger.tracking_uri={server}", "logger.experiment=streets", "hydra.run.dir=scored"]
    assert run("evaluate", "ckpt=runs/train/first/checkpoints/best.ckpt", *send) == 0
    _, evaluation = runs(client, "streets")
    assert evaluation.data.tags["mlflow.parentRunId"] == training.info.run_id
    assert evaluation.data.metrics["mIoU"] == json.loads(Path("scored/metrics.json").read_text())["miou"]
    assert "per_image.csv" in files(client, evaluation)


@pytest.mark.slow
def test_a_run_that_goes_on_is_one_run(run: Run, recipe: list[str], server: str) -> None:
    send = [*recipe, f"logger.tracking_uri={server}", "logger.experiment=parts", "run_id=parts", "schedule=constant"]
    assert run("train", *send) == 0
    assert run("train", *send, "ckpt=auto", "trainer.max_steps=6") == 0
    client = MlflowClient(server)
    (training,) = runs(client, "parts")
    assert [point.step for point in client.get_metric_history(training.info.run_id, "val/miou")] == [2, 4, 6]


def test_a_server_that_is_down_ends_no_run(run: Run, recipe: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", *recipe, "logger.tracking_uri=http://127.0.0.1:1", "run_id=alone") == 0
    out = capsys.readouterr().out
    assert out.count("MLflow fails") == 1
    assert "the run continues without it" in out
    assert Path("runs/train/alone/metrics.json").exists()


def test_a_network_without_its_file_is_not_registered(run: Run, recipe: list[str], capsys) -> None:
    assert run("train", *recipe, "logger.register=net", "logger.checkpoints=false") == 2
    assert "logger.register=net needs logger.checkpoints=true" in capsys.readouterr().err
