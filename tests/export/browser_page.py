"""A browser that opens a site from a server on loopback, and what a person does there."""

import hashlib
import json
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from loopback import serving
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from segrnn.export.web_runtime import TARBALL, VERSION

CACHE = Path(torch.hub.get_dir(), "segrnn")
PACKAGE = CACHE / TARBALL
AXE = CACHE / "axe-core-4.14.1.tgz"
AXE_INTEGRITY = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
"""Its sha512, as ``npm view axe-core@4.14.1 dist.integrity`` prints it."""
PATIENCE = 60

needs_runtime = pytest.mark.skipif(
    not PACKAGE.exists(), reason=f"no onnxruntime-web: npm pack onnxruntime-web@{VERSION} --pack-destination {CACHE}"
)
needs_axe = pytest.mark.skipif(
    not AXE.exists(), reason=f"no axe-core: npm pack axe-core@4.14.1 --pack-destination {AXE.parent}"
)


def axe() -> str:
    """Return the script that looks for faults of accessibility."""
    assert b64encode(hashlib.sha512(AXE.read_bytes()).digest()).decode() == AXE_INTEGRITY
    with tarfile.open(AXE) as package:
        member = package.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


class QuietHandler(SimpleHTTPRequestHandler):
    """What ``python -m http.server`` answers, without its log."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path, handler: type[SimpleHTTPRequestHandler] = QuietHandler) -> Iterator[str]:
    """Serve a folder on loopback, and give its address."""
    with serving(partial(handler, directory=str(folder))) as address:
        yield f"{address}/"


class Page:
    """A site in a browser."""

    def __init__(self, driver: webdriver.Chrome, address: str, downloads: Path) -> None:
        self.driver, self.address, self.downloads = driver, address, downloads
        downloads.mkdir(parents=True, exist_ok=True)
        driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads.resolve())}
        )
        for kind in ("browser", "performance"):
            driver.get_log(kind)

    def open(self) -> "Page":
        self.driver.get(self.address)
        self.wait_ready()
        return self

    def wait(self, condition: str) -> Any:
        """Wait until an expression in JavaScript is true, and return its value."""
        return WebDriverWait(self.driver, PATIENCE, 0.02).until(lambda d: d.execute_script(f"return {condition}"))

    def wait_ready(self) -> None:
        self.wait("document.body.dataset.state === 'ready'")

    def drop(self, *paths: Path) -> "Page":
        """Choose files, and wait until they are labelled."""
        self.start(*paths)
        self.wait_ready()
        return self

    def start(self, *paths: Path) -> None:
        self.driver.find_element(By.ID, "files").send_keys("\n".join(str(path.resolve()) for path in paths))

    def show(self, place: int) -> None:
        self.driver.find_elements(By.CSS_SELECTOR, "#strip button")[place].click()
        self.wait("!document.getElementById('work').hidden")

    def save(self, kind: str) -> np.ndarray:
        """Click on a download, and return the pixels of its file."""
        self.wait("!document.getElementById('work').hidden")
        for old in self.downloads.iterdir():
            old.unlink()
        self.driver.find_element(By.ID, f"save-{kind}").click()
        WebDriverWait(self.driver, PATIENCE, 0.02).until(lambda _: list(self.downloads.glob("*.png")))
        (path,) = self.downloads.glob("*.png")
        content = b""
        while not content.endswith(b"IEND\xaeB`\x82"):
            content = path.read_bytes()
        with Image.open(BytesIO(content)) as picture:
            return np.asarray(picture.convert("RGB") if kind != "ids" else picture)

    def text(self, name: str) -> str:
        return self.driver.find_element(By.ID, name).text

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def faults(self) -> list[tuple[str, str, str]]:
        """Return what axe finds: the rule, the impact and the HTML of each fault of accessibility."""
        self.driver.execute_script(axe())
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")
        assert found["passes"]
        return [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in found["violations"]]

    def alphas(self, selector: str) -> np.ndarray:
        """Return how opaque the pixels of a canvas are."""
        script = """
            const source = document.querySelector(arguments[0]);
            const { height, width } = source;
            const canvas = Object.assign(document.createElement("canvas"), { height, width });
            const context = canvas.getContext("2d", { willReadFrequently: true });
            context.drawImage(source, 0, 0);
            const { data } = context.getImageData(0, 0, width, height);
            return [height, width, data.filter((_, i) => i % 4 === 3).join()]"""
        height, width, values = self.driver.execute_script(script, selector)
        return np.fromstring(values, np.uint8, sep=",").reshape(height, width)

    def complaints(self) -> list[str]:
        """Return what the console says."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [event["request"]["url"] for event in sent]
