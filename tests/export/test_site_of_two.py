"""A site of two networks in a browser: both masks, cameras and videos, and WebGPU."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from browser_page import PACKAGE, Page, needs_axe, needs_runtime, served
from conftest import needs_browser
from export_networks import CONTEXTS, make_small
from firefox import firefox, needs_firefox
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from segrnn.datasets.demo_scenes import draw_scene
from segrnn.errors import ExportError
from segrnn.export import write_site
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import Label, LabelSpace
from segrnn.tasks.demo import SiteHandler

LABELS = LabelSpace("toy", [Label(f"class {i}", 9 * i, i, (50 * i, 9, 255 - 50 * i)) for i in range(5)])
NAMES = ("with context", "another context")


def predictor_of(context: str, labels: LabelSpace = LABELS) -> Predictor:
    network = make_small(CONTEXTS[context]).eval()
    return Predictor(network, ModelInfo({}, labels, Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))))


def networks() -> dict[str, Predictor]:
    return dict(zip(NAMES, map(predictor_of, ("renet_gru", "pyramid_pooling")), strict=True))


def scene(number: int) -> np.ndarray:
    return draw_scene(np.random.default_rng(number), (64, 128)).image


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(networks(), folder, PACKAGE)
    return folder


@pytest.fixture
def page(shared_browser: webdriver.Chrome, site: Path, tmp_path: Path) -> Iterator[Page]:
    with served(site, SiteHandler) as address:
        page = Page(shared_browser, address, tmp_path / "downloads").open()
        yield page
        assert page.complaints() == []
        assert all(url.startswith((address, f"blob:{address}")) for url in page.requests())


@pytest.fixture
def labelled(page: Page, tmp_path: Path) -> Page:
    """The page with the masks of a street."""
    Image.fromarray(scene(1)).save(tmp_path / "street.png")
    return page.drop(tmp_path / "street.png")


def choose(page: Page, network: int) -> None:
    page.driver.find_elements(By.CSS_SELECTOR, "#which option")[network].click()


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_both_masks_and_where_they_differ(labelled: Page) -> None:
    page = labelled
    wanted = [predictor(scene(1)) for predictor in networks().values()]
    for number, mask in enumerate(wanted):
        choose(page, number)
        assert (page.save("ids") != LABELS.decode(mask)).sum() <= 1  # a tie
        assert [path.name for path in page.downloads.iterdir()] == [f"street-ids-{number + 1}.png"]
    assert page.texts("figcaption") == list(NAMES)
    differing = (wanted[0] != wanted[1]).mean()
    assert 0.05 < differing < 0.95
    row, *classes = page.texts("#legend li:not([hidden]) button")
    assert row.startswith("Different classes")
    assert float(row.split()[-2]) == pytest.approx(100 * differing, abs=0.1)
    shares = {text.split("\n")[0]: re.findall(r"([\d.]+) %", text) for text in classes}
    for k in np.union1d(*wanted):
        found = [float(share) for share in shares[f"class {k}"]]
        assert found == pytest.approx([100 * (mask == k).mean() for mask in wanted], abs=0.1)

    frame = page.driver.find_elements(By.CLASS_NAME, "frame")[1]
    ActionChains(page.driver).move_to_element(frame).perform()
    text = page.text("readout")
    place = re.search(r"\(column (\d+), row (\d+)\)$", text)
    assert place
    at = int(place[2]), int(place[1])
    for name, mask in zip(NAMES, wanted, strict=True):
        assert f"{name}: class {mask[at]}, " in text

    page.driver.find_element(By.CSS_SELECTOR, "#legend button").click()
    shown = page.alphas(".mask")
    assert ((shown == 255) == (wanted[0] != wanted[1])).mean() > 0.999


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_what_a_point_depends_on_for_both(labelled: Page) -> None:
    page = labelled
    page.driver.find_element(By.ID, "ask").click()
    page.driver.find_element(By.ID, "stage").send_keys(Keys.ARROW_LEFT, Keys.ENTER)
    page.wait("document.querySelectorAll('.field:not([hidden])').length === 2")
    assert re.findall(r"(\w+ context): the probability of class \d at the ring", page.text("readout")) == list(NAMES)
    first, second = page.alphas(".field"), page.alphas(".view:last-child .field")
    assert first.min() == second.min() == 0  # the part on which the point depends most
    assert (first != second).mean() > 0.3


@pytest.mark.thorough
@needs_browser
@needs_runtime
@needs_axe
def test_axe_finds_no_fault(labelled: Page) -> None:
    page = labelled
    page.driver.find_element(By.ID, "camera").click()
    page.wait("!document.getElementById('live').hidden")
    assert page.faults() == []
    page.driver.find_element(By.ID, "stop").click()
    page.wait_ready()


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_camera(page: Page) -> None:
    page.driver.execute_script("""
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await open(wanted))""")
    page.driver.find_element(By.ID, "camera").click()
    page.wait(
        "/^Camera: [0-9.]+ frames per second of 640 . 480 pixels$/.test(document.getElementById('pace').textContent)"
    )
    page.driver.find_element(By.ID, "stop").click()
    page.wait_ready()
    ended = "window.stream.getTracks().every((track) => track.readyState === 'ended')"
    assert page.driver.execute_script(f"return {ended}")
    check_frame(page)

    page.driver.find_element(By.ID, "camera").click()
    page.wait("document.body.dataset.state === 'live'")
    page.driver.execute_script("dispatchEvent(new Event('pagehide'))")  # the page is left
    assert page.driver.execute_script(f"return {ended}")
    assert not page.driver.find_element(By.ID, "live").is_displayed()


def check_frame(page: Page) -> None:
    """The masks of the frame that is shown are those that the predictors give it."""
    page.driver.execute_script("""
        const opacity = document.getElementById("opacity");
        opacity.value = 0;
        opacity.dispatchEvent(new Event("input"))""")
    pixels = page.save("overlay")
    for number, predictor in enumerate(networks().values()):
        choose(page, number)
        assert (page.save("ids") == LABELS.decode(predictor(pixels))).mean() > 0.999


@pytest.mark.slow
@needs_browser
@needs_runtime
def test_a_video(page: Page, tmp_path: Path) -> None:
    short, long = write_video(tmp_path / "short.webm", rate=25), write_video(tmp_path / "long.webm", rate=1)
    (tmp_path / "broken.webm").write_bytes(b"not a video")
    page.start(long, tmp_path / "broken.webm")
    page.wait("document.getElementById('pace').textContent.includes('frames per second of 128 ')")
    assert page.texts("#messages li") == ["broken.webm is not played, because only one video can be played at a time."]
    page.driver.find_element(By.ID, "stop").click()
    page.wait_ready()
    page.start(short)
    page.wait("document.getElementById('pace').textContent.includes('short.webm')")
    page.wait("document.getElementById('live').hidden")  # it has ended
    page.wait_ready()
    check_frame(page)
    page.start(tmp_path / "broken.webm")
    assert page.wait("document.getElementById('messages').textContent").startswith("broken.webm can't be played: ")


def write_video(path: Path, rate: int) -> Path:
    """Write 50 frames. A video whose rate is low is still playing when a slow machine has labelled two of them."""
    with av.open(path, "w") as file:
        stream = file.add_stream("libvpx-vp9", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for number in range(50):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.roll(scene(1), number, axis=1))):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return path


@pytest.mark.thorough
@needs_browser
@needs_runtime
def test_webgpu(shared_browser: webdriver.Chrome, site: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(1)).save(tmp_path / "street.png")
    with served(site, SiteHandler) as address:
        page = Page(shared_browser, f"{address}?compute=webgpu", tmp_path / "downloads").open()
        if "graphics processor (WebGPU)" not in page.text("status"):
            pytest.skip(f"no WebGPU: {page.text('status')}")
        page.drop(tmp_path / "street.png")
        for number, predictor in enumerate(networks().values()):
            choose(page, number)
            assert (page.save("ids") != LABELS.decode(predictor(scene(1)))).sum() <= 1  # a tie
        assert page.complaints() == []
        script = """
            const [wanted, found, done] = arguments;
            const logits = (values) => ({ values: values.map((value) => value ?? NaN), height: 1, width: 2 });
            import("./runtime.js").then(({ agree }) => done(agree(logits(wanted), logits(found), 2)))"""
        for found, answer in (([1, 5, 2, 3], True), ([5, 1, 2, 3], False), ([1, 5, None, 3], False)):
            assert page.driver.execute_async_script(script, [1, 5, 2, 3], found) is answer
        assert page.driver.execute_async_script(script, [2, 5, 2.0001, 3], [2.0001, 5, 2, 3])  # a tie


def test_other_classes_are_refused(tmp_path: Path) -> None:
    other = LabelSpace("other", [Label(f"thing {i}", i, i, (i, i, i)) for i in range(5)])
    pair = {"a": predictor_of("pyramid_pooling"), "b": predictor_of("pyramid_pooling", other)}
    with pytest.raises(
        ExportError, match=r"toy \(class 0, .*\) and other \(thing 0, .*\)\. A page compares only networks"
    ):
        write_site(pair, tmp_path, PACKAGE)


@pytest.mark.thorough
@needs_firefox
@needs_runtime
def test_firefox(site: Path, tmp_path: Path) -> None:
    pictures = {"street.png": scene(1), "odd.png": scene(3)[:45, :77], "street.webp": scene(2)[:, :90]}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / name, lossless=True)
    with served(site) as address, firefox(tmp_path / "firefox") as browser:
        browser.open(address)
        browser.wait("document.body.dataset.state === 'ready'")
        browser.choose("#files", *(tmp_path / name for name in pictures))
        browser.wait("document.querySelectorAll('#strip button:enabled').length === 3")
        for place, pixels in enumerate(pictures.values()):
            height, width = pixels.shape[:2]
            browser.run(f"document.querySelectorAll('#strip button')[{place}].click()")
            shown = "document.querySelector('.mask')"
            browser.wait(f"{shown}.height === {height} && {shown}.width === {width}")
            mask = browser.download("#save-ids")
            assert (mask != LABELS.decode(predictor_of("renet_gru")(pixels))).sum() <= 1  # a tie
