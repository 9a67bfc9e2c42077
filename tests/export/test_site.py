"""A site in a browser: its masks are those of the predictor, and it stays whole whatever is dropped on it."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_page import PACKAGE, Page, needs_axe, needs_runtime, served
from conftest import needs_browser
from export_networks import CONTEXTS, make_small
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from segrnn.datasets.demo_scenes import draw_scene
from segrnn.errors import DataError, ExportError
from segrnn.export import as_example, read_example, write_site
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, Windows
from segrnn.labels import Label, LabelSpace
from segrnn.tasks.demo import HEADERS, SiteHandler

EVIL = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"
LABELS = LabelSpace(
    "toy",
    [Label(EVIL if i == 1 else f"class {i}", 250 - 9 * i, i, (50 * i, 9, 255 - 50 * i)) for i in range(5)],
)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
TIE = 1e-4
"""The distance of two probabilities from which on their order is a matter of rounding."""


def predictor_of(scale: float = 1.0, windows: Windows | None = None) -> Predictor:
    network = make_small(CONTEXTS["renet_gru"]).eval()
    return Predictor(network, ModelInfo({}, LABELS, Preprocessing(MEAN, STD, scale)), windows=windows)


def scene(number: int, size: tuple[int, int] = (64, 128)) -> np.ndarray:
    return draw_scene(np.random.default_rng(number), size).image


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site({"small": predictor_of()}, folder, PACKAGE, [as_example("a street", scene(7))])
    return folder


@pytest.fixture
def page(shared_browser: webdriver.Chrome, site: Path, tmp_path: Path) -> Iterator[Page]:
    """The site, ready. In the end, the console is empty, and nothing was asked for elsewhere."""
    with served(site) as address:
        page = Page(shared_browser, address, tmp_path / "downloads").open()
        yield page
        assert page.complaints() == []
        assert all(url.startswith((address, f"blob:{address}")) for url in page.requests())


def differing(mask: np.ndarray, predictor: Predictor, pixels: np.ndarray) -> int:
    """Count the pixels with another class than the predictor's, all of which must be ties."""
    parts = list(predictor.probabilities(pixels))
    assert all(part.values.shape[0] == LABELS.num_classes for part in parts)
    probabilities = np.concatenate([part.values.numpy().copy() for part in parts], axis=1)
    wanted = predictor(pixels)
    assert mask.shape == wanted.shape
    other = LABELS.decode(wanted) != mask
    best = np.sort(probabilities, axis=0)
    assert (best[-1] - best[-2])[other].max(initial=0) < TIE
    return int(other.sum())


def transparent(pixels: np.ndarray) -> Image.Image:
    alpha = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8)
    return Image.fromarray(np.dstack([pixels, np.broadcast_to(alpha, pixels.shape[:2])]))


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_masks_are_those_of_the_predictor(page: Page, tmp_path: Path) -> None:
    pictures = {
        "street.png": Image.fromarray(scene(1)),
        "odd.png": Image.fromarray(scene(2, (77, 131))),
        "pixel.png": Image.fromarray(scene(3)[:1, :1]),
        "line.png": Image.fromarray(scene(3)[:1]),
        "grey.png": Image.fromarray(scene(4)[..., 1]),
        "clear.png": transparent(scene(5)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    Image.fromarray(scene(6)).save(tmp_path / "street.webp", lossless=True)
    paths = [*(tmp_path / name for name in pictures), tmp_path / "street.webp"]
    page.drop(*paths)
    assert page.texts("#strip b") == [path.name for path in paths]
    predictor, ties = predictor_of(), 0
    for place, path in enumerate(paths):
        page.show(place)
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGBA"))[..., :3]
        ties += differing(page.save("ids"), predictor, pixels)
    assert ties <= 3
    assert page.texts("#messages li") == []


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_photograph_of_a_phone_is_turned(page: Page, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(1, (96, 160))).save(tmp_path / "phone.jpg", exif=exif, quality=95)
    mask = page.drop(tmp_path / "phone.jpg").save("ids")
    wanted = LABELS.decode(predictor_of()(tmp_path / "phone.jpg"))
    assert mask.shape == wanted.shape == (160, 96)
    assert (mask == wanted).mean() > 0.98  # two decoders of JPEG may differ by a level


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_colours_overlay_classes_and_confidence(page: Page, tmp_path: Path) -> None:
    predictor, pixels = predictor_of(), scene(1)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    page.drop(tmp_path / "street.png")
    mask, confidence = (each.numpy() for each in predictor.mask_with_confidence(pixels))
    colors = LABELS.colorize(mask)
    assert (page.save("colors") == colors).all(axis=-1).mean() > 0.999
    overlay = page.save("overlay").astype(int)
    assert np.abs(overlay - (pixels.astype(int) + colors) // 2).max(axis=-1).mean() < 1
    shares = [float(text.split()[-2]) for text in page.texts("#legend li:not([hidden]) button")]
    counts = np.sort(np.bincount(mask.ravel(), minlength=5))[::-1]
    assert shares == pytest.approx([100 * count / mask.size for count in counts if count], abs=0.06)

    def tells_the_truth(live: str) -> tuple[int, int]:
        found = re.fullmatch(r"(.*), (\d+) % sure \(column (\d+), row (\d+)\)", page.text("readout"))
        assert found
        row, column = int(found[4]), int(found[3])
        assert found[1] == LABELS.class_names[mask[row, column]]
        assert abs(int(found[2]) - 100 * confidence[row, column]) < 1
        assert page.driver.find_element(By.ID, "readout").get_attribute("aria-live") == live
        return row, column

    stage = page.driver.find_element(By.ID, "stage")
    ActionChains(page.driver).move_to_element(stage).perform()
    row, column = tells_the_truth("off")
    assert abs(row - 32) < 2
    assert abs(column - 64) < 2
    stage.send_keys(Keys.SHIFT + Keys.ARROW_LEFT)
    assert tells_the_truth("polite") == (row, column - 1)
    assert page.driver.find_element(By.CLASS_NAME, "cross").is_displayed()

    first = page.driver.find_element(By.CSS_SELECTOR, "#legend button")
    first.click()
    assert first.get_attribute("aria-pressed") == "true"
    shown = page.alphas(".mask")
    assert ((shown == 255) == (mask == np.bincount(mask.ravel()).argmax())).mean() > 0.999
    first.send_keys(Keys.ESCAPE)
    assert first.get_attribute("aria-pressed") == "false"
    assert (page.alphas(".mask") == 255).all()


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_what_a_point_depends_on(page: Page, tmp_path: Path) -> None:
    predictor, pixels = predictor_of(), scene(1)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    page.drop(tmp_path / "street.png").wait("!document.getElementById('work').hidden")
    page.driver.find_element(By.ID, "ask").click()
    stage = page.driver.find_element(By.ID, "stage")
    ActionChains(page.driver).move_to_element(stage).perform()
    place = re.search(r"column (\d+), row (\d+)", page.text("readout"))
    assert place
    stage.send_keys(Keys.ENTER)
    page.wait("document.querySelector('.field:not([hidden])')")
    column, row = int(place[1]), int(place[2])
    found = re.search(r"changes by up to (\d+) points if a bright part of (\d+) \S \d+ pixels", page.text("readout"))
    assert found
    side = int(found[2])  # it depends on the speed of the machine

    def probability(image: np.ndarray) -> float:
        return next(iter(predictor.probabilities(image))).values[label, row, column].item()

    label, mean = predictor(pixels)[row, column], pixels.mean(axis=(0, 1)).astype(np.uint8)
    before, changes = probability(pixels), np.zeros((-(-64 // side), -(-128 // side)))
    for i, j in np.ndindex(changes.shape):
        covered = pixels.copy()
        covered[side * i : side * (i + 1), side * j : side * (j + 1)] = mean
        changes[i, j] = abs(probability(covered) - before)
    dark = page.alphas(".field") / 255
    wanted = 0.85 * (1 - changes / changes.max())
    np.testing.assert_allclose(dark, wanted.repeat(side, 0).repeat(side, 1)[:64, :128], atol=0.01)
    assert int(found[1]) == pytest.approx(100 * changes.max(), abs=0.6)
    page.driver.find_element(By.ID, "ask").click()
    assert not page.driver.find_element(By.CLASS_NAME, "field").is_displayed()


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_what_is_not_a_picture_is_said_and_the_rest_goes_on(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    Image.fromarray(scene(1)).save(tmp_path / "street.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "street.png").read_bytes()[:40])
    page.drop(*(tmp_path / name for name in ("notes.txt", "street.png", "cut.png")))
    page.wait("document.querySelectorAll('#messages li').length === 2")
    reason = "can't be labelled: it is not a picture that this browser can read, such as PNG, JPEG or WebP."
    assert page.texts("#messages li") == [f"notes.txt {reason}", f"cut.png {reason}"]
    assert differing(page.save("ids"), predictor_of(), scene(1)) <= 1


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_an_example_and_a_name_that_is_html(page: Page, tmp_path: Path) -> None:
    page.driver.find_element(By.CSS_SELECTOR, "#examples button").click()
    page.wait("!document.getElementById('work').hidden")
    page.wait_ready()
    assert page.text("status").startswith("a street: 128 \N{MULTIPLICATION SIGN} 64 pixels in ")
    assert EVIL in "".join(page.texts("#legend li:not([hidden]) button"))
    evil = tmp_path / "<script>document.title='evil'<\u2215script><img src=x onerror=alert(1)>.png"
    Image.fromarray(scene(1)).save(evil)
    page.drop(evil)
    assert evil.name in page.text("status")
    assert page.driver.title == "Segmentation in the browser: toy"
    assert page.driver.find_elements(By.CSS_SELECTOR, "#work img, #messages img, body script") == []


@pytest.mark.slow
@needs_browser
@needs_runtime
@needs_axe
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault(theme: str, page: Page, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(scene(1)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    themes = [{"name": "prefers-color-scheme", "value": theme}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": themes})
    page.drop(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "notes.txt").wait(
        "!document.getElementById('work').hidden"
    )
    page.driver.find_element(By.CSS_SELECTOR, "#legend button").click()
    page.driver.find_element(By.ID, "ask").click()
    faults = page.faults()
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert faults == []


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_no_script_can_be_put_into_the_page(page: Page) -> None:
    policy = page.driver.find_element(By.CSS_SELECTOR, "meta[http-equiv]").get_attribute("content")
    assert policy + "; frame-ancestors 'none'" == HEADERS["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    script = "Object.assign(document.createElement('script'), {textContent: 'document.title = `evil`'})"
    page.driver.execute_script(f"document.body.append({script})")
    assert page.driver.title != "evil"
    (complaint,) = page.complaints()
    assert "Content Security Policy" in complaint


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_second_drop_cancels_the_first(shared_browser, site: Path, tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(scene(number)).save(tmp_path / f"{number}.png")
    Image.fromarray(np.tile(scene(4), (40, 20, 1))).save(tmp_path / "large.png")
    with served(site) as address:
        page = Page(shared_browser, address, tmp_path / "downloads")
        shared_browser.get(address)
        page.wait("document.title.includes('toy')")
        page.start(*(tmp_path / f"{number}.png" for number in range(3)))  # they wait for the network
        page.drop(tmp_path / "3.png")
        page.wait_ready()
        assert page.texts("#strip b") == [""]  # hidden, as there is one only
        assert differing(page.save("ids"), predictor_of(), scene(3)) <= 1
        page.start(tmp_path / "large.png")
        page.wait("document.getElementById('progress').max > 1 && !document.getElementById('progress').hidden")
        begun = time.monotonic()
        page.drop(tmp_path / "2.png")
        page.wait("document.getElementById('status').textContent.startsWith('2.png: ')")
        assert time.monotonic() - begun < 5  # the rest of the windows would take longer
        names = "[...document.querySelectorAll('#strip b')].map((name) => name.textContent)"
        assert page.wait(names) == ["3.png", "2.png"]
        assert page.complaints() == []


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_large_picture_is_cut_into_windows(page: Page, tmp_path: Path) -> None:
    pixels = np.concatenate([np.concatenate([scene(3 * i + j, (512, 700)) for j in range(3)], 1) for i in range(4)])
    Image.fromarray(pixels).save(tmp_path / "large.png", compress_level=1)
    page.drop(tmp_path / "large.png")
    assert "in windows of 1024 \N{MULTIPLICATION SIGN} 1024 pixels" in page.text("messages")
    wanted = LABELS.decode(predictor_of(windows=Windows((1024, 1024), (768, 768)))(pixels))
    assert (page.save("ids") != wanted).mean() < 1e-5


@pytest.mark.slow
@needs_browser
@needs_runtime
@pytest.mark.parametrize("scale", [0.4, 1.5])
def test_a_network_that_sees_another_size(scale: float, shared_browser, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "site")  # resizing is the page's work, so the network's file is the same
    description = json.loads((site / "site.json").read_text())
    description["networks"][0]["scale"] = scale
    (tmp_path / "site" / "site.json").write_text(json.dumps(description))
    Image.fromarray(scene(1, (97, 151))).save(tmp_path / "street.png")
    with served(tmp_path / "site") as address:
        page = Page(shared_browser, address, tmp_path / "downloads").open()
        mask = page.drop(tmp_path / "street.png").save("ids")
    assert (
        mask == LABELS.decode(predictor_of(scale)(tmp_path / "street.png"))
    ).mean() > 0.98  # resizing rounds differently


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_threads_where_the_headers_allow_them(shared_browser, site: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(1)).save(tmp_path / "street.png")
    with served(site, SiteHandler) as address:
        page = Page(shared_browser, address, tmp_path / "downloads").open()
        assert page.driver.execute_script("return crossOriginIsolated")
        cores = page.driver.execute_script("return navigator.hardwareConcurrency")
        threads = "one thread" if cores == 1 else f"{min(cores, 8)} threads"
        assert page.text("status") == f"Ready. The network runs on the processor (WebAssembly, {threads})."
        page.drop(tmp_path / "street.png")
        assert differing(page.save("ids"), predictor_of(), scene(1)) <= 1
        assert page.complaints() == []


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_browser_without_simd_and_a_page_that_is_a_file(shared_browser, site: Path, tmp_path: Path) -> None:
    page = Page(shared_browser, "", tmp_path / "downloads")
    shared_browser.get((site / "index.html").as_uri())
    assert "python3 -m http.server" in page.wait("document.getElementById('status').innerText")
    page.complaints()  # that a file may not load its script
    script = {"source": "WebAssembly.validate = () => false"}
    added = shared_browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        with served(site) as address:
            shared_browser.get(address)
            page.wait("document.getElementById('status').textContent.includes('it lacks WebAssembly SIMD')")
            assert not page.driver.find_element(By.ID, "open").is_displayed()
    finally:
        shared_browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_network_that_is_missing_is_said(shared_browser, site: Path, tmp_path: Path) -> None:
    for path in site.iterdir():
        if path.name != "model.onnx":
            (tmp_path / path.name).symlink_to(path)
    with served(tmp_path) as address:
        page = Page(shared_browser, address, tmp_path / "downloads")
        shared_browser.get(address)
        page.wait("document.querySelectorAll('#messages li').length")
        assert page.text("status") == "The network can't be loaded. Reload the page to try again."
        assert page.text("messages") == "model.onnx: the server answers 404"
        page.complaints()  # that a file is missing


@pytest.mark.slow
@needs_runtime
def test_a_site_describes_its_classes(site: Path) -> None:
    description = json.loads((site / "site.json").read_text())
    assert [row["id"] for row in description["classes"]] == LABELS.decode(np.arange(5, dtype=np.uint8)).tolist()
    (network,) = description["networks"]
    assert network["model"] == {"path": "model.onnx", "bytes": (site / "model.onnx").stat().st_size}
    assert "Microsoft" in (site / "ort" / "LICENSE").read_text()


def test_another_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with pytest.raises(ExportError, match=r"none\.tgz does not exist: npm pack onnxruntime-web@"):
        write_site({"small": predictor_of()}, tmp_path / "site", tmp_path / "none.tgz")
    (tmp_path / "other.tgz").write_bytes(b"other")
    (tmp_path / "site" / "ort").rmdir()
    with pytest.raises(ExportError, match=r"other\.tgz has sha512:[0-9a-f]{128}, but onnxruntime-web-"):
        write_site({"small": predictor_of()}, tmp_path / "site", tmp_path / "other.tgz")


def test_a_network_of_four_bands_is_refused(tmp_path: Path) -> None:
    network = predictor_of().network
    four = Predictor(network, ModelInfo({}, LABELS, Preprocessing((0.5,) * 4, (0.5,) * 4, white=65535)))
    with pytest.raises(ExportError, match="takes 4 channels in which 65535 counts as 1"):
        write_site({"small": four}, tmp_path, PACKAGE)


def test_examples_are_pictures_that_browsers_show(tmp_path: Path) -> None:
    Image.fromarray(scene(1)).save(tmp_path / "a.JPG", "JPEG")
    assert read_example(tmp_path / "a.JPG") == ("a.JPG", ".jpg", (tmp_path / "a.JPG").read_bytes())
    Image.fromarray(scene(1)).save(tmp_path / "a.tif")
    name, suffix, content = read_example(tmp_path / "a.tif")
    assert (name, suffix, content[1:4]) == ("a.tif", ".png", b"PNG")
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"a\.png"):
        read_example(tmp_path / "a.png")
