"""The page of an evaluation: what is in the file, and what a browser makes of it."""

import json
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, Run, needs_browser
from PIL import Image
from real_frames import REAL_CAMVID, needs_camvid
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from segrnn.datasets import Sample
from segrnn.labels import ADE20K, IGNORE_INDEX, Label, LabelSpace
from segrnn.metrics import Scores
from segrnn.reports import Gallery, Report, errors, write_report

EVIL = "</script><img src=x onerror=alert(1)>"
TOY = LabelSpace(
    "toy",
    [Label("road", 0, 0, (128, 64, 128)), Label(EVIL, 1, 1, (1, 2, 3)), Label("ghost", 2, 2, (250, 170, 30))],
)


def gallery_of(labels: LabelSpace, sizes: dict[str, tuple[int, int]], void: bool = False) -> Gallery:
    """An image of each size with a name, all of them chosen, the first and the last an extreme."""
    rng = np.random.default_rng(0)
    gallery = Gallery(list(sizes), extremes=1, longest=1024)
    for number, (name, size) in enumerate(sizes.items()):
        truth, mask = rng.integers(0, labels.num_classes, (2, *size)).astype(np.uint8)
        truth[: size[0] // 3] = IGNORE_INDEX
        if void:
            truth[:] = IGNORE_INDEX
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        gallery.add(Sample(image, truth, name), mask, float("nan") if void else 0.1 * number)
    return gallery


def counts_of(labels: LabelSpace) -> np.ndarray:
    """Of all classes but the last, which does not occur."""
    counts = np.random.default_rng(1).integers(0, 1000, (labels.num_classes,) * 2)
    counts[-1] = counts[:, -1] = 0
    return counts


def write(folder: Path, labels: LabelSpace, gallery: Gallery, **limit: int) -> Path:
    scores = Scores(counts_of(labels), labels.class_names)
    figures = {"mIoU": scores.miou, "boundary IoU": float("nan")}
    path = folder / "report.html"
    write_report(Report(EVIL, figures, {"checkpoint": EVIL}, scores, labels, gallery), path, **limit)
    return path


def read(path: Path) -> dict:
    """The document in the page."""
    found = re.findall(r'<script type="application/json" id="report">(.*?)</script>', path.read_text(), re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def decode(uri: str) -> Image.Image:
    kind, data = uri.split(";base64,")
    picture = Image.open(BytesIO(b64decode(data, validate=True)))
    assert kind == f"data:image/{picture.format.lower()}"
    return picture


def test_the_page_refers_to_nothing_else(tmp_path: Path) -> None:
    text = write(tmp_path, TOY, gallery_of(TOY, {"a": (6, 8)})).read_text()
    assert "default-src 'none'; img-src data:;" in text
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttpRequest", re.sub(r"base64,[^\"]*", "", text))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_scores_come_through_and_nan_is_null(tmp_path: Path) -> None:
    document = read(write(tmp_path, TOY, gallery_of(TOY, {"a": (6, 8), "b": (6, 8)})))
    scores = Scores(counts_of(TOY), TOY.class_names)
    assert document["figures"] == [{"name": "mIoU", "value": scores.miou}, {"name": "boundary IoU", "value": None}]
    assert document["counts"] == scores.counts.tolist()
    assert [row["iou"] for row in document["classes"]] == [*scores.iou[:2], None]
    assert [row["color"] for row in document["classes"]] == ["#804080", "#010203", "#faaa1e"]
    assert [(row["true"], row["predicted"]) for row in document["confusions"]] == [(EVIL, "road"), ("road", EVIL)]
    assert [part["examples"] for part in document["parts"]] == [[0], [1], [0, 1]]


def test_no_name_is_html(tmp_path: Path) -> None:
    path = write(tmp_path, TOY, gallery_of(TOY, {EVIL: (6, 8)}))
    assert EVIL not in path.read_text()
    document = read(path)
    assert document["title"] == document["classes"][1]["name"] == document["examples"][0]["name"] == EVIL


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("labels", [TOY, ADE20K], ids=lambda labels: labels.name)
def test_pictures_have_the_colours_of_the_masks(tmp_path: Path, labels: LabelSpace, void: bool) -> None:
    gallery = gallery_of(labels, {"plain": (30, 40), "dot": (1, 1), "line": (1, 90), "tall": (1024, 2)}, void)
    document = read(write(tmp_path, labels, gallery))
    described = {example["name"]: example for example in document["examples"]}
    assert len(described) == len(document["examples"]) == 4
    for example in gallery.chosen:
        row = described[example.name]
        assert (row["height"], row["width"]) == example.truth.shape
        assert row["miou"] == (None if void else example.miou)
        assert set(row["classes"]) == {*np.unique(example.truth), *np.unique(example.prediction)}
        layers = {name: decode(uri) for name, uri in row["layers"].items()}
        assert layers["image"].size == (row["width"], row["height"])
        for name, wanted in {
            "truth": labels.colorize(example.truth),
            "prediction": labels.colorize(example.prediction),
            "errors": errors(example.prediction, example.truth),
        }.items():
            assert layers[name].mode == "P"
            np.testing.assert_array_equal(np.asarray(layers[name].convert("RGB")), wanted)


def test_photos_are_close_to_the_images(tmp_path: Path) -> None:
    slope = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    gallery = Gallery(["a"], extremes=0, longest=1024)
    gallery.add(Sample(np.dstack([slope] * 3), np.zeros((60, 80), np.uint8), "a"), np.zeros((60, 80), np.uint8), 1.0)
    photo = np.asarray(decode(read(write(tmp_path, TOY, gallery))["examples"][0]["layers"]["image"]))
    assert np.abs(photo.astype(int) - slope[..., None]).max() <= 6


def test_pictures_shrink_until_the_page_fits(tmp_path: Path) -> None:
    gallery = gallery_of(TOY, {"large": (300, 400), "small": (20, 30)})
    whole = write(tmp_path / "whole", TOY, gallery).stat().st_size
    path = write(tmp_path / "part", TOY, gallery, most_bytes=whole // 3)
    assert whole // 9 < path.stat().st_size <= whole // 3
    shapes = [(row["height"], row["width"]) for row in read(path)["examples"]]
    assert 100 < shapes[0][1] < 400
    assert shapes[0][0] == pytest.approx(shapes[0][1] * 0.75, abs=1)
    assert shapes[1] == (20, 30)


def test_a_page_of_noise_has_at_most_15_mb(tmp_path: Path) -> None:
    path = write(tmp_path, ADE20K, gallery_of(ADE20K, dict.fromkeys("abcdef", (1024, 1024))))
    assert 5_000_000 < path.stat().st_size <= 15_000_000


def test_more_images_than_a_page_can_show(tmp_path: Path) -> None:
    document = read(write(tmp_path, TOY, gallery_of(TOY, {str(number): (3, 4) for number in range(230)})))
    assert len(document["examples"]) == 200
    assert document["left_out"] == 30
    assert [len(part["examples"]) for part in document["parts"]] == [1, 1, 200]  # the extremes come first


def test_a_page_without_images(tmp_path: Path) -> None:
    document = read(write(tmp_path, TOY, gallery_of(TOY, {})))
    assert document["examples"] == []


def names_of(browser: webdriver.Chrome, table: str = "classes") -> list[str]:
    return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, f"#{table} tbody td:nth-child(2)")]


def sort_by(browser: webdriver.Chrome, title: str) -> WebElement:
    for header in browser.find_elements(By.CSS_SELECTOR, "#classes th"):
        if header.text.startswith(title):
            header.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
            return header
    raise AssertionError(f"no column {title}")


def check_the_slider(browser: webdriver.Chrome) -> None:
    """By keys and by the pointer, each layer against each other one."""
    stage, slider = (browser.find_element(By.CSS_SELECTOR, f"figure {name}") for name in (".stage", ".wipe"))
    middle = stage.screenshot_as_png
    slider.send_keys(Keys.HOME)
    right = stage.screenshot_as_png
    slider.send_keys(Keys.END)
    left = stage.screenshot_as_png
    assert len({left, middle, right}) == 3
    ActionChains(browser).drag_and_drop_by_offset(stage, -stage.size["width"] // 4, 0).perform()
    assert slider.get_property("value") == "25"
    slider.send_keys(Keys.END)
    shown = set()
    for layer in ("image", "truth", "prediction", "errors"):
        Select(browser.find_element(By.ID, "left")).select_by_value(layer)
        assert browser.find_element(By.CSS_SELECTOR, "figure .stage span").text == layer
        shown.add(stage.screenshot_as_png)
    assert len(shown) == 4


@pytest.mark.slow
@needs_browser
def test_the_page_of_a_run_in_a_browser(run: Run, camvid: Path, browser: webdriver.Chrome, capsys) -> None:
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=trained") == 0
    assert run("evaluate", "ckpt=trained/checkpoints/best.ckpt", "data.workers=0", "hydra.run.dir=scored") == 0
    assert "scored/report.html" in capsys.readouterr().out.replace("\n", "")
    metrics = json.loads(Path("scored/metrics.json").read_text())

    browser.get(Path("scored/report.html").resolve().as_uri())
    assert browser.title == "5 images, val of camvid"
    text = browser.find_element(By.TAG_NAME, "header").text
    assert f"{100 * metrics['miou']:.2f}" in text
    for words in ("trained/checkpoints/best.ckpt, step ", "ReNet (hidden 8, ", "torch ", "segrnn 0"):
        assert words in text

    order = names_of(browser)
    assert order == list(metrics["per_class"])
    present = [name for name, row in metrics["per_class"].items() if row["iou"] is not None]
    by_iou = sorted(present, key=lambda name: metrics["per_class"][name]["iou"])
    absent = [name for name in order if name not in present]
    assert absent
    header = sort_by(browser, "IoU")
    assert header.get_attribute("aria-sort") == "ascending"
    assert names_of(browser) == [*by_iou, *absent]
    sort_by(browser, "IoU")
    assert header.get_attribute("aria-sort") == "descending"
    assert [metrics["per_class"][name]["iou"] for name in names_of(browser)][: len(present)] == [
        metrics["per_class"][name]["iou"] for name in by_iou[::-1]
    ]
    assert names_of(browser)[len(present) :] == absent
    sort_by(browser, "Class")
    assert names_of(browser) == sorted(order)
    assert len(browser.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 2  # one in each table

    assert len(browser.find_elements(By.TAG_NAME, "figure")) == 15  # 5 images, worst, best and chosen
    check_the_slider(browser)


@needs_browser
def test_names_do_nothing_in_a_browser(tmp_path: Path, browser: webdriver.Chrome) -> None:
    browser.get(write(tmp_path, TOY, gallery_of(TOY, {EVIL: (30, 40)})).as_uri())
    assert browser.title == EVIL
    assert browser.find_element(By.CSS_SELECTOR, "figcaption b").text == EVIL
    assert EVIL in names_of(browser)
    assert not browser.find_elements(By.CSS_SELECTOR, "[onerror], [src=x]")


@needs_browser
@pytest.mark.parametrize("labels", [TOY, ADE20K], ids=lambda labels: labels.name)
def test_any_size_fits_a_phone(tmp_path: Path, browser: webdriver.Chrome, labels: LabelSpace) -> None:
    sizes = {"plain": (30, 40), "dot": (1, 1), "line": (1, 900), "tall" * 40: (900, 1)}
    page = write(tmp_path, labels, gallery_of(labels, sizes)).as_uri()
    for width in (320, 400, 1280):
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get(page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        for stage in browser.find_elements(By.CLASS_NAME, "stage"):
            assert 100 < stage.size["width"] <= width
            assert 30 < stage.size["height"] <= 520
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@needs_browser
def test_a_matrix_of_many_classes_is_read_by_pointer_and_keys(tmp_path: Path, browser: webdriver.Chrome) -> None:
    browser.get(write(tmp_path, ADE20K, gallery_of(ADE20K, {"a": (30, 40)})).as_uri())
    canvas = browser.find_element(By.CSS_SELECTOR, "#matrix canvas")
    words = browser.find_element(By.CSS_SELECTOR, "#matrix .read")
    counts = counts_of(ADE20K)
    canvas.send_keys(Keys.ARROW_RIGHT)
    wall, building = ADE20K.class_names[:2]
    share = 100 * counts[0, 1] / counts[0].sum()
    assert words.text == f"{wall} taken for {building}: {share:.2f} %, {counts[0, 1]} pixels"
    ActionChains(browser).move_to_element_with_offset(canvas, 2, 2).perform()  # from its middle, where four cells meet
    assert words.text.startswith(f"{ADE20K.class_names[75]} found: ")
    assert len(names_of(browser, "confusions")) == 20


@needs_browser
@pytest.mark.parametrize("labels", [TOY, ADE20K], ids=lambda labels: labels.name)
def test_predictions_of_void_have_a_column(tmp_path: Path, browser: webdriver.Chrome, labels: LabelSpace) -> None:
    counts = np.pad(counts_of(labels), ((0, 0), (0, 1)), constant_values=10**6)
    scores = Scores(counts, labels.class_names)
    path = tmp_path / "report.html"
    write_report(Report("void", {"mIoU": scores.miou}, {}, scores, labels, gallery_of(labels, {})), path)
    browser.get(path.as_uri())
    if labels is TOY:
        heads = browser.find_elements(By.CSS_SELECTOR, "#matrix thead th")
        assert [head.get_attribute("title") for head in heads] == [*labels.class_names, "void"]
    else:
        browser.find_element(By.CSS_SELECTOR, "#matrix canvas").send_keys(Keys.ARROW_RIGHT * 200)
        words = browser.find_element(By.CSS_SELECTOR, "#matrix .read").text
        assert words.startswith("wall taken for void: ")
        assert words.endswith(", 1,000,000 pixels")
    confused = browser.find_elements(By.CSS_SELECTOR, "#confusions tbody tr")
    assert "void" in confused[0].text


@needs_browser
def test_light_and_dark(tmp_path: Path, browser: webdriver.Chrome) -> None:
    browser.get(write(tmp_path, TOY, gallery_of(TOY, {"a": (30, 40)})).as_uri())
    brightness = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        page = Image.open(BytesIO(browser.get_screenshot_as_png())).convert("L")
        brightness.append(np.median(np.asarray(page)))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert brightness[0] > 230
    assert brightness[1] < 40


@pytest.mark.thorough
@needs_browser
@needs_camvid
def test_the_page_of_real_frames(run: Run, browser: webdriver.Chrome) -> None:
    small = [o for o in SMALL if o.startswith(("encoder", "trainer", "data.workers"))]
    overrides = ["experiment=camvid_quick", f"data.root={REAL_CAMVID}", "data.batch_size=2", *small]
    assert run("train", *overrides, "trainer.validate_every_n_steps=3", "hydra.run.dir=trained") == 0
    assert run("evaluate", "ckpt=trained/checkpoints/best.ckpt", "data.workers=0", "hydra.run.dir=scored") == 0
    path = Path("scored/report.html").resolve()
    assert 500_000 < path.stat().st_size <= 15_000_000
    browser.get(path.as_uri())
    assert browser.title == "101 images, val of camvid"
    assert len(browser.find_elements(By.TAG_NAME, "figure")) == 20
    check_the_slider(browser)
