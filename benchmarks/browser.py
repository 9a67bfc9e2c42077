"""Time of labelling pictures in a browser, against ONNX Runtime in Python on the same cores."""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import torch
from PIL import Image
from publish import publish, table
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from segrnn.export import load_onnx
from segrnn.inference import Predictor
from segrnn.reports import describe_machine
from segrnn.tasks.demo import SiteHandler
from segrnn.tasks.making_site import make_site

PATIENCE = 600
THREADS = (1, 2)


class PlainHandler(SimpleHTTPRequestHandler):
    """The answers of ``python -m http.server``, without its log."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


def main() -> None:
    """Measure one checkpoint after the other, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ckpt", nargs="+", required=True, help="checkpoints or bundles")
    parser.add_argument(
        "--pictures", nargs="+", type=Path, required=True, help="a folder of PNG files for each of them"
    )
    parser.add_argument("--count", type=int, default=20, help="the number of pictures of each folder")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    parser.add_argument("--note", default="", help="a sentence about this run for the page")
    arguments = parser.parse_args()
    rows = []
    for ckpt, folder in zip(arguments.ckpt, arguments.pictures, strict=True):
        paths = sorted(folder.rglob("*.png"))[: arguments.count]
        with tempfile.TemporaryDirectory() as site:
            make_site([(ckpt, Predictor.load(ckpt))], Path(site), [], None)
            rows.append(measure(Path(site), paths))
    lines = [
        "The time for a picture is the median over all of them, from its file to its mask. *Cold* is the time from",
        "opening the page in a new browser to the first mask, with one thread; *warm* is the same after a reload.",
        f"Pixels are those whose classes differ from Python's. {arguments.note}".strip(),
        "",
        f"{describe_machine(torch.device('cpu'))}.",
        "",
        *table(rows),
    ]
    publish("browser", lines, arguments.results)


def measure(site: Path, paths: list[Path]) -> dict[str, str]:
    """Measure a site, and return its line of the table."""
    with Image.open(paths[0]) as picture:
        width, height = picture.size
    predictor = Predictor(*load_onnx(site / "model.onnx"))
    wanted = [predictor.info.labels.decode(predictor(path)) for path in paths]
    with opened(site, PlainHandler) as page:
        cold = page.first_mask(paths[0])
        page.driver.refresh()
        warm = page.first_mask(paths[0])
        single = page.seconds(paths)
        different = sum(int((mask != other).sum()) for mask, other in zip(page.masks(), wanted, strict=True))
    with opened(site, SiteHandler) as page:
        page.first_mask(paths[0])
        threads = page.seconds(paths)
    python = {count: python_seconds(site, paths, count) for count in THREADS}
    sizes = {path.name: path.stat().st_size for path in site.rglob("*") if path.is_file()}
    return {
        "pictures": f"{len(paths)} of {width} x {height}",
        "cold s": f"{cold:.1f}",
        "warm s": f"{warm:.1f}",
        "browser, 1 thread, s": f"{single:.2f}",
        "browser, threads, s": f"{threads:.2f}",
        **{f"Python, {count} thread{'s' * (count > 1)}, s": f"{seconds:.2f}" for count, seconds in python.items()},
        "pixels": f"{different} of {sum(mask.size for mask in wanted):,}",
        "network MB": f"{sizes['model.onnx'] / 1e6:.1f}",
        "all files MB": f"{sum(sizes.values()) / 1e6:.1f}",
    }


class Page:
    """A site in a browser."""

    def __init__(self, driver: webdriver.Chrome, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads
        where = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)

    def drop(self, paths: list[Path]) -> int:
        """Choose files, wait until all are labelled, and return the number of pictures that were there before."""
        finished = "return document.querySelectorAll('#strip button:not(:disabled)').length"
        before = self.driver.execute_script(finished)
        self.driver.find_element(By.ID, "files").send_keys("\n".join(str(path.resolve()) for path in paths))
        self.wait(lambda driver: driver.execute_script(finished) == before + len(paths))
        return int(before)

    def wait(self, condition: Callable[[webdriver.Chrome], object]) -> None:
        """Wait until a condition holds."""
        WebDriverWait(self.driver, PATIENCE, 0.01).until(condition)

    def first_mask(self, path: Path) -> float:
        """Return the seconds from the opening of the page to its first mask."""
        # the page takes pictures as soon as it knows its classes, and then they wait for the network
        self.wait(lambda driver: ":" in driver.title)
        self.drop([path])
        return float(self.driver.execute_script("return performance.now()")) / 1000

    def seconds(self, paths: list[Path]) -> float:
        """Label pictures, and return the median of the seconds that the page says."""
        before = self.drop(paths)
        texts = self.driver.execute_script(
            "return [...document.querySelectorAll('#strip span')].map((e) => e.innerText)"
        )
        return statistics.median(float(text.split()[0]) for text in texts[before:])

    def masks(self) -> list[np.ndarray]:
        """Download the masks of all pictures but the first, which is there twice."""
        masks = []
        for button in self.driver.find_elements(By.CSS_SELECTOR, "#strip button")[1:]:
            button.click()
            time.sleep(0.3)  # two downloads at once would get other names
            self.driver.find_element(By.ID, "save-ids").click()
            self.wait(lambda _: list(self.downloads.glob("*.png")))
            (path,) = self.downloads.glob("*.png")
            with Image.open(path) as mask:
                masks.append(np.asarray(mask))
            path.unlink()
        return masks


@contextmanager
def opened(site: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[Page]:
    """Open a site in a new headless browser."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = str(shutil.which("chromium"))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as server,
        tempfile.TemporaryDirectory() as downloads,
    ):
        thread = Thread(target=server.serve_forever)
        thread.start()
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            page = Page(driver, Path(downloads))
            driver.get(f"http://127.0.0.1:{server.server_port}/")
            yield page
        finally:
            driver.quit()
            server.shutdown()
            thread.join()


def python_seconds(site: Path, paths: list[Path], threads: int) -> float:
    """Return the median of the seconds that ONNX Runtime in Python takes for a picture."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)  # the threads of the session, too
    try:
        predictor = Predictor(*load_onnx(site / "model.onnx"))
        return statistics.median(timed(partial(predictor, path)) for path in [paths[0], *paths])
    finally:
        torch.set_num_threads(before)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a function takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
