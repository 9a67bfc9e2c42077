"""The page that compares runs: what is in the file, and what a browser makes of it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, needs_browser
from run_folders import EVIL, TOY, write_curves, write_evaluation, write_run
from selenium import webdriver
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By

from segrnn.errors import DataError
from segrnn.labels import CAMVID, Label, LabelSpace
from segrnn.reports import read_examples, write_comparison
from segrnn.reports.comparison_page import Compared
from segrnn.run_folder import read_run

IMAGES = {"a/1": (40, 60), "a/2": (50, 30), "a/3": (30, 30)}


@pytest.fixture
def two(run: Run) -> list[Path]:
    """Two trainings, of which the second has a name that is HTML and has made fewer steps."""
    one = write_run(Path("runs/one"), images=IMAGES, settings={"optimizer": {"lr": 0.1}, "run_id": "one"})
    other = write_run(Path("runs") / EVIL.replace("/", ":"), steps=60, seed=1, images={**IMAGES, "b": (20, 20)})
    return [one, other]


def compare(run: Run, folders: list[Path], *overrides: str) -> Path:
    listed = ",".join(f"'{folder}'" for folder in folders)
    assert run("report", f"runs=[{listed}]", *overrides) == 0
    return Path("comparison.html").resolve()


def read(path: Path) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(found)


def test_the_page_holds_the_runs(run: Run, two: list[Path]) -> None:
    document = read(compare(run, two))
    assert [each["name"] for each in document["runs"]] == ["one", two[1].name]
    assert document["facts"] == ["state", "steps", "network", "parameters", "began", "took", "folder"]
    assert document["runs"][0]["facts"][:2] == ["finished", "100/100"]
    assert [chart["title"] for chart in document["charts"]] == [
        "Training loss",
        "Validation loss",
        "Validation mIoU, %",
        "Learning rate",
    ]
    assert document["charts"][3]["curves"][0][:2] == [[10, 0.1], [20, 0.05]]  # the largest of the groups
    assert [len(curve) for curve in document["charts"][2]["curves"]] == [5, 3]
    curves = [read_run(folder).curves for folder in two]
    assert document["scores"][0] == {"name": "mIoU", "values": [each.last("val/miou") for each in curves]}
    assert [row["name"] for row in document["classes"]] == list(TOY.class_names)
    assert document["classes"][1]["values"] == [each.last_ious[EVIL] for each in curves]
    assert document["classes"][2]["values"] == [None, None]
    assert document["settings"] == [
        {"key": "optimizer.lr", "values": ["0.1", "none"]},
        {"key": "seed", "values": ["0", "1"]},
    ]
    assert [example["name"] for example in document["examples"]] == list(IMAGES)  # those that both have
    assert list(document["examples"][0]["layers"]) == document["layers"]


def test_the_page_refers_to_nothing_else_and_no_name_is_html(run: Run, two: list[Path]) -> None:
    text = compare(run, two).read_text()
    assert "default-src 'none'; img-src data:;" in text
    assert not re.search(r"https?://|//[a-z]|@import|url\(|fetch\(|XMLHttpRequest", re.sub(r"base64,[^\"]*", "", text))
    assert EVIL not in text
    assert text.count("</script>") == 2


def test_an_evaluation_beside_a_training(run: Run, two: list[Path]) -> None:
    scored = write_evaluation(Path("runs/scored"), images=IMAGES)
    document = read(compare(run, [two[0], scored]))
    assert document["scores"][0]["values"][1] == 0.25
    assert document["settings"] == []
    assert document["charts"][0]["curves"][1] == []
    assert len(document["examples"]) == 3


def test_a_run_without_pictures_and_images_of_other_data(run: Run, two: list[Path]) -> None:
    write_run(Path("runs/early"), planned=500, finished=False)
    document = read(compare(run, [*two, Path("runs/early")]))
    assert document["pictured"] == ["one", two[1].name]
    assert document["runs"][2]["facts"][:2] == ["interrupted", "100/500"]
    write_run(Path("runs/others"), images={"x": (20, 20)})
    assert read(compare(run, [two[0], Path("runs/others")], "overwrite=true"))["examples"] == []


def test_images_of_one_name_must_be_one_image(run: Run, two: list[Path]) -> None:
    write_run(Path("runs/large"), images={"a/1": (80, 120), "a/2": (50, 80), "a/3": (30, 30)})
    document = read(compare(run, [two[0], Path("runs/large")]))
    assert [(each["name"], each["width"]) for each in document["examples"]] == [("a/1", 30), ("a/3", 30)]


def test_runs_of_one_name_are_told_apart_by_their_folders(run: Run) -> None:
    folders = [write_run(Path(parent) / "same") for parent in ("x", "y")]
    assert [each["name"] for each in read(compare(run, folders))["runs"]] == ["x/same", "y/same"]


def test_long_curves_are_thinned_out_and_large_pictures_shrink(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "long", steps=50_000, planned=50_000, images={"noise": (700, 900)})
    run, kept = read_run(folder), read_examples(folder)
    assert kept is not None
    runs = [Compared(name, {}, run.curves, {}, {}, kept.examples) for name in ("a", "b")]
    path = tmp_path / "page.html"
    for most in (15_000_000, 900_000):
        write_comparison(runs, run.record.classes, {}, path, most)
        assert path.stat().st_size <= most
    document = read(path)
    assert [len(curve) for curve in document["charts"][0]["curves"]] == [1000, 1000]
    assert document["charts"][0]["curves"][0][-1][0] == 50_000
    assert 100 < document["examples"][0]["width"] < 900


def other_order() -> LabelSpace:
    return LabelSpace(
        "other", [Label("ghost", 0, 0, (1, 1, 1)), Label("road", 1, 1, (2, 2, 2)), Label(EVIL, 2, 2, (3, 3, 3))]
    )


def test_mistakes_are_explained(run: Run, two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    one = two[0]
    write_run(Path("runs/young"), steps=10, finished=False)
    write_run(Path("runs/camvid"), CAMVID)
    write_run(Path("runs/turned"), other_order())
    Path("runs/foreign").mkdir()
    (write_run(Path("runs/broken")) / "run.json").write_text("{")
    Path("taken.html").write_text("mine")
    many = ",".join(f"runs/{number}" for number in range(9))
    for runs, message in {
        "[]": "runs=[] names no run: give the folder of one",
        f"[{many}]": "runs names 9 runs, and a page shows at most 8: leave some out",
        f"[{one},./{one}]": f"runs names {one} twice: leave one of the two out",
        f"[{one},runs/nowhere]": "runs=runs/nowhere: runs/nowhere does not exist",
        f"[{one},runs/foreign]": "runs/foreign is not the folder of a training: it has no run.json",
        f"[{one},runs/broken]": "runs/broken/run.json can't be read",
        f"[{one},runs/young]": "runs/young has no validation yet (interrupted after 10 steps): wait for the first "
        "one, at step 20, or leave the run out",
        f"[{one},runs/camvid]": f"runs/camvid has other classes than {one}: only {one} has {EVIL}, ghost; only "
        "runs/camvid has sky, building",
        f"[{one},runs/turned]": f"runs/turned has other classes than {one}: their order differs",
    }.items():
        assert run("report", f"runs={runs}") == 2
        err = capsys.readouterr().err
        assert message in err
        assert "Traceback" not in err
    assert run("report", f"runs=[{one},runs/camvid]", "output=taken.html") == 2
    assert (
        "taken.html exists already: choose another output, or replace it with overwrite=true" in capsys.readouterr().err
    )
    assert run("report") == 2
    assert "runs needs a value: add runs=<value>" in capsys.readouterr().err
    assert Path("taken.html").read_text() == "mine"
    assert not Path("comparison.html").exists()


def test_examples_come_back(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", images=IMAGES)
    kept = read_examples(folder)
    assert kept is not None
    assert list(kept.colors) == list(TOY.class_names)
    assert [example.name for example in kept.examples] == list(IMAGES)
    assert kept.examples[0].truth.shape == (40, 60)
    assert set(np.unique(kept.examples[0].truth)) == {0, 1, 2, 255}
    assert read_examples(tmp_path) is None
    (folder / "examples.zip").write_bytes((folder / "examples.zip").read_bytes()[:500])
    with pytest.raises(DataError, match=r"examples\.zip can't be read"):
        read_examples(folder)


def strokes(browser: webdriver.Chrome) -> list[int]:
    """How many curves each chart shows."""
    charts = browser.find_elements(By.CSS_SELECTOR, ".chart")
    return [len(chart.find_elements(By.CSS_SELECTOR, "svg:not(.dash) > path")) for chart in charts]


@needs_browser
def test_the_page_in_a_browser(run: Run, two: list[Path], browser: webdriver.Chrome) -> None:
    browser.get(compare(run, two).as_uri())
    assert browser.title == f"one, {two[1].name}"
    assert not browser.find_elements(By.CSS_SELECTOR, "[onerror], [src=x]")
    assert strokes(browser) == [2, 2, 2, 2]
    toggle = browser.find_elements(By.CSS_SELECTOR, "#toggles button")[1]
    toggle.send_keys(Keys.ENTER)
    assert toggle.get_attribute("aria-pressed") == "false"
    assert strokes(browser) == [1, 1, 1, 1]
    toggle.send_keys(Keys.ENTER)
    assert strokes(browser) == [2, 2, 2, 2]

    chart = browser.find_elements(By.CSS_SELECTOR, ".chart")[2]
    chart.find_element(By.CSS_SELECTOR, "svg").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    curves = [read_run(folder).curves.values["val/miou"] for folder in two]
    words = chart.find_element(By.CSS_SELECTOR, ".values").text.split("\n")
    assert words == [
        "step 40",
        *(f"{name} {100 * c[40]:.2f}" for name, c in zip(("one", two[1].name), curves, strict=True)),
    ]
    chart.find_element(By.CSS_SELECTOR, "svg").send_keys(Keys.END)
    assert chart.find_element(By.CSS_SELECTOR, ".values").text.endswith("(step 60)")

    rows = browser.find_elements(By.CSS_SELECTOR, "#classes tbody tr")
    assert [row.find_element(By.CSS_SELECTOR, "td").text for row in rows] == list(TOY.class_names)
    ious = [read_run(folder).curves.last_ious for folder in two]
    change = 100 * (ious[1]["road"] - ious[0]["road"])
    cell = rows[0].find_elements(By.CSS_SELECTOR, "td")[3]
    assert cell.text == f"{'+' if change > 0 else chr(0x2212)}{abs(change):.2f}"
    assert cell.find_elements(By.CLASS_NAME, "better" if change > 0 else "worse")
    button = browser.find_elements(By.CSS_SELECTOR, "#classes th button")[3]
    assert button.get_attribute("title") == f"difference of {two[1].name} to one"
    button.send_keys(Keys.ENTER)
    names = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#classes tbody td:first-child")]
    assert names == [*sorted(ious[0], key=lambda name: ious[1][name] - ious[0][name]), "ghost"]

    stage, slider = (browser.find_element(By.CSS_SELECTOR, f"figure {name}") for name in (".stage", ".wipe"))
    tags = [tag.text for tag in stage.find_elements(By.CSS_SELECTOR, "span")]
    assert tags == ["prediction of one", f"prediction of {two[1].name}"]
    assert browser.find_element(By.CSS_SELECTOR, "figcaption span").text == "mIoU 10.0 | 20.0 %"
    middle = stage.screenshot_as_png
    slider.send_keys(Keys.HOME)
    right = stage.screenshot_as_png
    slider.send_keys(Keys.END)
    assert len({middle, right, stage.screenshot_as_png}) == 3


@needs_browser
def test_one_run_has_a_page_without_comparisons(run: Run, two: list[Path], browser: webdriver.Chrome) -> None:
    assert run("report", f"runs={two[0]}", "output=one.html") == 0
    browser.get(Path("one.html").absolute().as_uri())
    assert browser.find_element("id", "title").text == two[0].name
    shown = browser.find_element("tag name", "body").text
    for words in ("Learning rate", "IoU of classes"):
        assert words in shown
    for words in ("Differences are", "Settings that differ", "A button shows"):
        assert words not in shown
    assert browser.get_log("browser") == []


@needs_browser
def test_eight_runs_fit_a_phone(run: Run, browser: webdriver.Chrome) -> None:
    names = ["a" * 100, "2026-11-29_09-23-22_800965", *"cdefg"]
    folders = [write_run(Path(name), CAMVID, seed=seed, images=IMAGES) for seed, name in enumerate(names)]
    page = compare(run, [*folders, write_evaluation(Path("scored"), CAMVID, IMAGES)]).as_uri()
    for width in (320, 390, 1280):
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get(page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert strokes(browser) == [7, 7, 7, 7]
        for chart in browser.find_elements(By.CSS_SELECTOR, ".chart > svg"):
            assert 200 < chart.size["width"] <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_run_that_went_on_has_one_curve(run: Run) -> None:
    folder = write_run(Path("on"), steps=60, planned=100)
    write_curves(folder / "from_step_40" / "csv" / "metrics.csv", TOY, range(40, 100, 10), seed=5)
    curves = read_run(folder).curves
    assert list(curves.values["train/loss"]) == list(range(10, 110, 10))
    assert list(curves.values["val/miou"]) == [20, 40, 60, 80, 100]
