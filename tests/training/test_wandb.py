"""The W&B page of a run, read back from the files that W&B writes; and that nothing about it can end a run."""

import csv
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from conftest import SMALL, Run
from PIL import Image
from wandb_page import Page, alone, pages

from segrnn.errors import Pruned
from segrnn.labels import CAMVID, IGNORE_INDEX
from segrnn.training import SegmentationModule
from segrnn.training.wandb import WandbDashboard, _read_parts

WORKSPACE = Path(__file__).parents[2] / "scripts" / "wandb_workspace.py"
__all__ = ["alone"]  # a fixture

NAMES = dict(enumerate(CAMVID.class_names)) | {IGNORE_INDEX: "void"}


@pytest.fixture
def recipe(camvid: Path) -> list[str]:
    """Four steps with a validation in the middle and one at the end."""
    return [*SMALL, "data=camvid", f"data.root={camvid}", "trainer.max_steps=4", "logger=wandb"]


def curves(run_dir: str) -> list[dict[str, str]]:
    """All that is written as CSV, but for what a step costs."""
    costs = ("train/images_per_s", "train/waiting", "train/memory_gib")
    with Path(run_dir, "csv/metrics.csv").open() as file:
        return [{key: row[key] for key in row if key not in costs} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_everything_is_on_the_page(run: Run, recipe: list[str], camvid: Path) -> None:
    assert run("train", *recipe, "hydra.run.dir=run", "examples.names=[0001TP_000003,0001TP_000000]") == 0
    (page,) = pages("run")
    assert (page.summary["state"], page.summary["exit_code"], page.summary["project"]) == ("finished", 0, "segrnn")
    metrics = json.loads(Path("run/metrics.json").read_text())

    # curves, over the steps that have been taken
    rates = [f"lr-AdamW/{group}" for group in ("encoder", "encoder, not decayed", "recurrent", "rest")]
    for key in ("train/loss", "train/gradient_norm", "train/images_per_s", "train/waiting", "train/memory_gib", *rates):
        assert [step for step, _ in page.curve(key)] == [4], key
    assert page.curve("val/miou")[-1] == (4, pytest.approx(metrics["miou"], abs=1e-6))
    for key in ("val/pixel_accuracy", "val/loss"):
        assert [step for step, _ in page.curve(key)] == [2, 4], key
    for name, row in metrics["per_class"].items():
        known = [] if row["iou"] is None else [(4, pytest.approx(row["iou"], abs=1e-6))]
        assert [value for value in page.curve(f"val/iou/{name}") if value[0] == 4] == known
    assert {metric["glob_name"]: metric["step_metric"] for metric in page.of("metric") if "glob_name" in metric} == {
        "*": "trainer/global_step"
    }

    # what the run was
    facts = page.config["run"]
    assert page.config["optimizer"]["lr"] == 0.008
    assert page.config["data"]["root"] == str(camvid)
    assert (facts["train_images"], facts["val_images"]) == (6, 5)
    assert facts["parameters"] > facts["context_parameters"] > 0
    assert facts["gmacs_per_crop"] > 0
    assert facts["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert len(facts["data_digest"]) == 16

    # masks, pixel by pixel those of the files
    assert run("predict", "ckpt=run/checkpoints/last.ckpt", f"input={camvid}/val", "output=masks") == 0
    ((_, captions),) = page.curve("val/examples.captions")[-1:]
    assert [caption.partition(",")[0] for caption in captions] == ["0001TP_000003", "0001TP_000000"]
    for name, layers in zip(captions, page.curve("val/examples.all_masks")[-1][1], strict=True):
        stem = name.partition(",")[0]
        masks = {layer: np.array(Image.open(page.file(mask["path"]))) for layer, mask in layers.items()}
        truth = CAMVID.encode(np.array(Image.open(camvid / "valannot" / f"{stem}.png")))
        prediction = CAMVID.encode(np.array(Image.open(f"masks/{stem}.png")))
        np.testing.assert_array_equal(masks["ground_truth"], truth)
        np.testing.assert_array_equal(masks["prediction"], prediction)
        expected = np.where(truth == IGNORE_INDEX, 2, truth != prediction)
        np.testing.assert_array_equal(masks["errors"], expected)
    labels = page.config["_wandb"]["mask/class_labels"]
    for layer, names in {
        "prediction": NAMES,
        "ground_truth": NAMES,
        "errors": {0: "right", 1: "wrong", 2: "void"},
    }.items():
        assert labels[f"val/examples_wandb_delimeter_{layer}"]["value"] == {str(k): v for k, v in names.items()}
    panels = np.array(Image.open(page.file(page.curve("val/panels.path")[-1][1])))
    assert panels.shape[1] == 4 * 320
    distances = np.abs(panels[:, 320:960, None].astype(int) - CAMVID.palette[[*range(11), 255]]).max(-1).min(-1)
    assert np.quantile(distances, 0.9) <= 4  # in the dataset's own colours, but for JPEG

    # tables and charts
    scores = [row[1] for row in page.table("worst")]
    assert scores == sorted(scores)
    assert len(scores) == 5
    counts = np.load("run/confusion.npz")["counts"]
    cells = {(true, predicted): n for true, predicted, n in page.table("val/confusion_table")}
    assert all(cells[NAMES[i], NAMES[j]] == counts[i, j] for i, j in np.ndindex(counts.shape))
    worst = page.table("confusions")[0]
    assert worst[2] == (counts - np.diag(np.diag(counts))).max() == cells[worst[0], worst[1]]
    assert dict(page.table("val/iou_by_class_table")) == {
        name: pytest.approx(row["iou"]) for name, row in metrics["per_class"].items() if row["iou"] is not None
    }
    assert page.file(page.curve("confusion_matrix.path")[-1][1]).is_file()

    # artifacts
    staged = {entry["path"]: entry["local_path"] for entry in page.artifact("scores")["manifest"]["contents"]}
    np.testing.assert_array_equal(np.load(staged["confusion.npz"])["counts"], counts)
    (entry,) = page.artifact("dataset")["manifest"]["contents"]
    assert entry["ref"] == f"folder://{camvid}"
    assert entry["path"] == facts["data_digest"]
    for name in ("best", "last"):
        model = page.artifact("model", name)
        metadata = json.loads(model["metadata"])
        assert f"step-{metadata['step']}" in model["aliases"]
        assert metadata["class_names"] == list(CAMVID.class_names)
        assert metadata["data_digest"] == facts["data_digest"]
        (entry,) = model["manifest"]["contents"]
        assert Path(entry["local_path"]).read_bytes() == Path(f"run/checkpoints/{name}.ckpt").read_bytes()
        validated = [miou for step, miou in page.curve("val/miou") if step == metadata["step"]]
        assert [metadata["miou"]] == pytest.approx(validated, abs=1e-6)
    assert metadata["step"] == 4

    check_the_workspace(page)


def check_the_workspace(page: Page) -> None:
    """What it shows is what runs log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wandb_workspaces 0.4 is written for an older pydantic
        workspace = runpy.run_path(str(WORKSPACE))["build"]("somebody", "segrnn")
        workspace._to_model()  # W&B's own form, as it would be saved
    logged = {key.removesuffix("._type") for item in page.history for key in item}
    plots = [panel for section in workspace.sections for panel in section.panels]
    for plot in plots:
        pattern = getattr(plot, "metric_regex", None)
        keys = getattr(plot, "y", None) or getattr(plot, "media_keys", None) or []
        keys = {getattr(key, "name", key) for key in keys}
        assert keys <= logged
        assert keys or not pattern or any(re.fullmatch(pattern, key) for key in logged)
    assert len(plots) == 12


@pytest.mark.thorough
def test_images_of_unlike_sizes(run: Run, ade20k: Path) -> None:
    recipe = [*SMALL, "data=ade20k", f"data.root={ade20k}", "data.base_size=null", "logger=wandb", "examples.count=3"]
    assert run("train", *recipe, "hydra.run.dir=run", "logger.examples_every_n_validations=2") == 0
    (page,) = pages("run")
    height, width = 51, 63  # of the highest and of the widest
    ((step, masks),) = page.curve("val/examples.all_masks")
    assert step == 2
    assert len(masks) == 3
    for layers in masks:
        for mask in layers.values():
            assert np.array(Image.open(page.file(mask["path"]))).shape == (height, width)
    assert not page.curve("val/confusion_table.path")  # 22 500 cells
    assert page.table("confusions")


@pytest.mark.parametrize(
    ("environment", "overrides", "said"),
    [
        ({"WANDB_MODE": "disabled"}, [], ""),
        pytest.param({}, ["logger.mode=online"], "W&B can't be reached (ConnectionError: ", marks=pytest.mark.thorough),
        pytest.param(
            {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40},
            ["logger.mode=online"],
            "refused",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"WANDB_BASE_URL": "{web}"},
            ["logger.mode=online"],
            "W&B can't be reached (UsageError: No API key configured",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            {"WANDB_BASE_URL": "{web}", "WANDB_API_KEY": "0" * 40},
            ["logger.mode=online", "logger.init_timeout=5"],
            "W&B can't be reached (",
            marks=pytest.mark.thorough,
        ),
    ],
    ids=["disabled", "no network", "refused", "no key", "no W&B there"],
)
def test_without_a_server(
    run: Run, recipe: list[str], web: Any, monkeypatch: pytest.MonkeyPatch, capfd, environment, overrides, said
) -> None:
    if not environment:  # whether or not this machine has a network
        environment = {"WANDB_BASE_URL": "http://nowhere.invalid"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(web=web.url))
    wandb.teardown()  # which knows the address of before
    assert run("train", *recipe, "hydra.run.dir=run", *overrides) == 0
    wandb.teardown()
    out = capfd.readouterr().out
    assert said in out
    assert (sum(line.startswith("W&B") for line in out.splitlines()) == 0) == (not said)
    assert run("train", *recipe, "logger=csv", "hydra.run.dir=plain") == 0
    assert curves("run") == curves("plain")
    assert [page.summary["state"] for page in pages("run")] == (["finished"] if said else [])


def service() -> int:
    """The process id of the W&B service that this process has started."""
    command = ["pgrep", "--parent", str(os.getpid()), "wandb-core"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.thorough
def test_a_service_that_dies_does_not_take_the_run_with_it(
    run: Run, recipe: list[str], monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    original = SegmentationModule.training_step

    def step(module: SegmentationModule, batch: Any) -> Any:
        if module.trainer.global_step == 2 and module.trainer.max_steps == 4:
            os.kill(service(), signal.SIGKILL)
        return original(module, batch)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", step)
        assert run("train", *recipe, "hydra.run.dir=run") == 0
    out = capfd.readouterr().out
    (folder,) = Path("run").resolve().rglob("offline-run-*")
    assert "W&B fails (ConnectionResetError: " in out
    assert f"the run continues without it. To upload what W&B has recorded so far:\n  wandb sync {folder}\n" in out
    assert out.count("W&B fails") == 1
    assert run("train", *recipe, "hydra.run.dir=next") == 0
    assert curves("run") == curves("next")
    assert [page.summary["state"] for page in pages("next")] == ["finished"]


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # W&B's own, to its service that was ended
@pytest.mark.thorough
def test_a_service_that_hangs_delays_the_end_for_a_limited_time(
    run: Run, recipe: list[str], monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setattr("segrnn.training.wandb._MARGIN", 1)
    with monkeypatch.context() as patch:
        patch.setattr(WandbDashboard, "_add_checkpoints", lambda *_: os.kill(service(), signal.SIGSTOP))
        assert run("train", *recipe, "hydra.run.dir=run", "logger.finish_timeout=1") == 0
    out = capfd.readouterr().out
    assert out.count("W&B fails (TimeoutError: W&B has not finished the run within 2 s)") == 1
    assert Path("run/metrics.json").exists()
    assert run("train", *recipe, "hydra.run.dir=next") == 0
    assert [page.summary["state"] for page in pages("next")] == ["finished"]


def test_a_service_that_was_ended_does_not_end_the_run(
    run: Run, recipe: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B ends the process if it does not find its service any more."""

    def fail(*_: object) -> None:
        raise OSError("the service is gone")

    teardown = wandb.teardown
    with monkeypatch.context() as patch:
        patch.setattr(WandbDashboard, "_add_checkpoints", fail)
        patch.setattr(wandb, "teardown", lambda code: sys.exit(-9))
        assert run("train", *recipe, "hydra.run.dir=run") == 0
    teardown()
    assert Path("run/metrics.json").exists()


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is full soon")
def test_a_full_disk(run: Run, recipe: list[str], capfd) -> None:
    Path("run/wandb").mkdir(parents=True)
    disk = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", "run/wandb"]
    if subprocess.run(disk).returncode != 0:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        assert run("train", *recipe, "hydra.run.dir=run", "trainer.max_steps=40") == 0
    finally:
        subprocess.run(["umount", "run/wandb"], check=True)
    printed = capfd.readouterr()
    assert "No space left on device" in printed.out
    assert printed.out.count("W&B fails (") == 1
    assert "Traceback" not in printed.out + printed.err


@pytest.mark.thorough
def test_a_page_that_can_not_be_written_does_not_end_the_run(run: Run, recipe: list[str], monkeypatch, capfd) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wandb.Image, "__init__", full)
    assert run("train", *recipe, "hydra.run.dir=run") == 0
    out = capfd.readouterr().out
    assert "W&B fails (OSError: [Errno 28] No space left on device): the run continues without it" in out
    assert Path("run/checkpoints/last.ckpt").is_file()


@pytest.mark.thorough
def test_jobs_of_a_sweep_are_runs_of_a_group(run: Run, recipe: list[str]) -> None:
    assert run("train", "-m", *recipe, "hydra.sweep.dir=sweep", "run_id=sweep1", "seed=0,1") == 0
    found = pages("sweep")
    assert [page.config["seed"] for page in found] == [0, 1]
    assert len({page.summary["run_id"] for page in found}) == 2
    assert [page.of("run")[0]["run_group"] for page in found] == ["sweep1", "sweep1"]
    assert [page.summary["name"] for page in found] == ["sweep1/0", "sweep1/1"]
    assert [page.summary["state"] for page in found] == ["finished", "finished"]


@pytest.mark.thorough
def test_a_preempted_run_keeps_both_parts(run: Run, recipe: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    original = SegmentationModule.training_step

    def step(module: SegmentationModule, batch: Any) -> Any:
        if module.trainer.global_step == 2:
            signal.raise_signal(signal.SIGTERM)
        return original(module, batch)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", step)
        assert run("train", *recipe, "run_id=parts") == 143
    (first,) = pages("runs/train/parts")
    assert (first.summary["state"], first.summary["exit_code"]) == ("failed", 143)
    assert first.of("preempting")
    assert json.loads(first.artifact("model", "last")["metadata"])["step"] == 3

    assert run("train", *recipe, "run_id=parts", "ckpt=auto") == 0
    second = next(page for page in pages("runs/train/parts") if page.folder != first.folder)
    assert second.summary["run_id"] != first.summary["run_id"]
    assert second.config["resumed_from"] == {"wandb_run": first.summary["run_id"], "step": 3}
    assert first.of("run")[0]["run_group"] == second.of("run")[0]["run_group"] == "parts"
    assert [step for step, _ in first.curve("val/miou")] == [2]
    assert [step for step, _ in second.curve("val/miou")] == [4]
    assert second.summary["state"] == "finished"


@pytest.mark.slow
def test_a_failed_run_is_marked_and_leaves_its_checkpoints(run: Run, recipe: list[str]) -> None:
    wrong = ["optimizer.lr=1e30", "optimizer.recurrent_lr=1e30", "optimizer.encoder_lr=1e30", "schedule=constant"]
    assert run("train", *recipe, "hydra.run.dir=run", "checkpoint.every_n_steps=1", "logger.alerts=true", *wrong) == 2
    (page,) = pages("run")
    (alert,) = page.of("alert")
    assert (alert["title"].endswith("has failed"), alert["level"]) == (True, "ERROR")
    assert "is nan in step" in alert["text"]
    assert (page.summary["state"], page.summary["exit_code"]) == ("failed", 2)
    assert not page.of("preempting")
    assert page.artifact("model", "last")


@pytest.mark.thorough
def test_a_pruned_run_has_not_failed(run: Run, recipe: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def step(module: SegmentationModule, batch: Any) -> Any:
        raise Pruned("it has fallen behind")

    monkeypatch.setattr(SegmentationModule, "training_step", step)
    assert run("train", *recipe, "hydra.run.dir=run") == 0
    (page,) = pages("run")
    assert (page.summary["state"], page.summary["exit_code"]) == ("finished", 0)


@pytest.mark.thorough
def test_online_a_run_goes_on_as_it_was(run: Run, recipe: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With W&B's own start replaced: it is told the same id; unless one of the parts was offline."""
    started: list[dict] = []
    original = wandb.init

    def start(**arguments: Any) -> wandb.Run:
        started.append(arguments)
        return original(**{**arguments, "mode": "offline", "resume": None})

    monkeypatch.setattr(wandb, "init", start)
    monkeypatch.setattr("segrnn.training.wandb._find_server", lambda: None)
    for steps, mode in ((4, "online"), (5, "online"), (6, "offline"), (7, "online")):
        arguments = [
            "schedule=constant",
            f"trainer.max_steps={steps}",
            f"logger.mode={mode}",
            "run_id=parts",
            "ckpt=auto",
        ]
        assert run("train", *recipe, *arguments) == 0
    ids = [part["id"] for part in _read_parts(Path("runs/train/parts/wandb_runs.json"))]
    assert [start["id"] for start in started] == [None, ids[0], None, None]
    assert [start["resume"] for start in started] == [None, "allow", None, None]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("content", ['[{"id": ', "{}", "[1]", '[{"id": "a"}]', ""])
def test_a_damaged_list_of_parts_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "parts.json").write_text(content)
    assert _read_parts(tmp_path / "parts.json") == _read_parts(tmp_path / "missing.json") == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("logger.examples_every_n_validations=0", "logger.examples_every_n_validations=0 must be at least 1"),
        ("logger.init_timeout=0", "logger.init_timeout=0 must be above 0"),
        ("examples.names=[0001TP_00003]", "'0001TP_00003' is not among the 5 images, 0001TP_000000 to 0001TP_000004"),
        ("examples.count=0", "examples.count=0 must be at least 1"),
    ],
)
def test_mistakes(run: Run, recipe: list[str], override: str, message: str, capsys) -> None:
    assert run("train", *recipe, override, "hydra.run.dir=run") == 2
    assert message in capsys.readouterr().err
    assert not list(Path("run").rglob("wandb"))
