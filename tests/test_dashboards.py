"""The results of commands other than trainings on W&B, read back from the files that it writes."""

import csv
import json
from pathlib import Path

import pytest
from conftest import SMALL, Run
from wandb_page import Page, alone, pages

__all__ = ["alone"]  # a fixture


def read(path: str) -> list[list[str]]:
    with Path(path).open(newline="") as file:
        return list(csv.reader(file))[1:]


def table(page: Page, key: str) -> list[list]:
    """A table of a page without a step."""
    (path,) = [item[f"tables/{key}.path"] for item in page.history if f"tables/{key}.path" in item]
    return list(json.loads(page.file(path).read_text())["data"])


def numbers(page: Page) -> dict[str, float]:
    return {key: value for item in page.history for key, value in item.items() if isinstance(value, float)}


@pytest.mark.thorough
def test_an_evaluation_is_on_a_page_that_names_its_training(run: Run, camvid: Path) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", "logger=wandb", "run_id=first"]
    assert run("train", *small) == 0
    assert run("evaluate", "ckpt=runs/train/first/checkpoints/best.ckpt", "logger=wandb", "hydra.run.dir=scored") == 0
    (training,), (page,) = pages("runs/train/first"), pages("scored")
    (of_training,), (of_page,) = training.of("run"), page.of("run")
    assert page.config["trainings"] == [of_training["run_id"]]
    assert (of_page["job_type"], of_page["run_group"]) == ("evaluate", of_training["run_group"])
    scores = json.loads(Path("scored/metrics.json").read_text())
    assert numbers(page)["mIoU"] == scores["miou"]
    assert numbers(page)["boundary IoU"] == scores["boundary"]["miou"]
    for name in ("per_class", "per_image"):
        rows = [[None if cell == "" else cell for cell in row] for row in read(f"scored/{name}.csv")]
        assert [[row[0], *(None if cell is None else float(cell) for cell in row[1:])] for row in rows] == table(
            page, name
        )
    for name in ("pictures/confusion", "pictures/calibration", "pictures/panels", "pages/report"):
        assert page.file(next(item[f"{name}.path"] for item in page.history if f"{name}.path" in item)).is_file()
    files = {entry["path"] for entry in page.artifact("evaluate")["manifest"]["contents"]}
    assert {"metrics.json", "per_image.csv", "report.html", "confusion.npz"} <= files


@pytest.mark.slow
def test_a_benchmark_is_on_a_page(run: Run) -> None:
    ask = ["contexts=[convolutions,pyramid_pooling]", "sizes=[[4,8]]", "channels=8", "hidden=8", "field_size=[8,8]"]
    assert run("benchmark", "contexts", *ask, "repeats=1", "logger=wandb", "hydra.run.dir=costs") == 0
    (page,) = pages("costs")
    assert page.of("run")[0]["job_type"] == "benchmark"
    assert page.config["hidden"] == 8
    assert [str(row[0]) for row in table(page, "costs")] == [row[0] for row in read("costs/costs.csv")]
    assert page.summary["state"] == "finished"


@pytest.mark.thorough  # tests/training/test_wandb_online.py has a search in the slow run
def test_a_search_is_one_group(run: Run, camvid: Path) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", "logger=wandb"]
    study = ["study.name=rates", "study.trials=2", "study.space={optimizer.lr: {low: 0.001, high: 0.01}}"]
    assert run("search", *small, *study) == 0
    found = pages("runs/search/rates")
    kinds = {page.of("run")[0]["display_name"]: page.of("run")[0] for page in found}
    assert {one["run_group"] for one in kinds.values()} == {"rates"}
    assert set(kinds) == {"search rates", "rates/trial_0", "rates/trial_1"}
    (page,) = [page for page in found if page.of("run")[0]["job_type"] == "search"]
    assert len(table(page, "search")) == 2
    with Path("runs/search/rates/search.csv").open() as file:
        best = max(float(row["miou"]) for row in csv.DictReader(file))
    assert numbers(page)["mIoU of the best trial"] == best


@pytest.mark.parametrize(
    ("logger", "message"),
    [
        (
            "tensorboard logger._target_=pytorch_lightning.loggers.CSVLogger",
            "CSVLogger shows trainings only; benchmark can use logger=wandb",
        ),
        ("wandb logger.mode=sometimes", "logger.mode='sometimes' must be one of offline, online, disabled"),
    ],
)
def test_a_logger_that_shows_no_results_is_refused_at_once(
    logger: str, message: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("benchmark", "contexts", *f"logger={logger}".split(), "hydra.run.dir=costs") == 2
    assert message in capsys.readouterr().err
    assert not Path("costs/costs.csv").exists()


@pytest.mark.thorough
def test_a_prediction_shows_its_first_images(run: Run, camvid: Path) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", "run_id=first", "trainer.max_steps=1", "logger=csv"]
    assert run("train", *small) == 0
    ckpt = "ckpt=runs/train/first/checkpoints/best.ckpt"
    assert run("predict", ckpt, f"input={camvid}/val", "output=plain") == 0
    assert not Path("runs/predict").exists()
    assert run("predict", ckpt, f"input={camvid}/val", "output=masks", "logger=wandb") == 0
    (folder,) = Path("runs/predict").iterdir()
    (page,) = pages(str(folder))
    assert page.of("run")[0]["job_type"] == "predict"
    assert (
        [item["files"] for item in page.history if "files" in item] == [len(list(Path("masks").glob("*.png")))] == [5]
    )
    assert page.file(
        next(item["pictures/masks.path"] for item in page.history if "pictures/masks.path" in item)
    ).is_file()
    for mask in Path("plain").glob("*.png"):
        assert mask.read_bytes() == Path("masks", mask.name).read_bytes()
