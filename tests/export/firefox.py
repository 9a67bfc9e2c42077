"""Firefox without a window, driven by WebDriver BiDi, which it speaks without a driver."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websocket
from PIL import Image

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE = 120

needs_firefox = pytest.mark.skipif(FIREFOX is None, reason="no Firefox: apt-get install firefox-esr")


class Firefox:
    """The only tab of a browser."""

    def __init__(self, socket: websocket.WebSocket, downloads: Path) -> None:
        self.socket, self.downloads, self.numbers = socket, downloads, count()
        self.ask("session.new", capabilities={})
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **parameters: object) -> Any:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer = {}
        while answer.get("id") != number:
            answer = json.loads(self.socket.recv())
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address: str) -> None:
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def run(self, expression: str) -> Any:
        """Evaluate an expression in JavaScript, or await it, and describe its value."""
        target = {"context": self.tab}
        answer = self.ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"]

    def wait(self, condition: str) -> Any:
        """Wait until an expression is true, and return its value."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(condition).get("value")):
            assert time.monotonic() < end, condition
            time.sleep(0.05)
        return value

    def choose(self, selector: str, *paths: Path) -> None:
        element = self.run(f"document.querySelector({json.dumps(selector)})")
        files = [str(path.resolve()) for path in paths]
        self.ask("input.setFiles", context=self.tab, element={"sharedId": element["sharedId"]}, files=files)

    def download(self, selector: str) -> np.ndarray:
        """Click on a button, and return the pixels of the picture that it downloads."""
        for old in self.downloads.iterdir():
            old.unlink()
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        end, content = time.monotonic() + PATIENCE, b""
        while not content.endswith(b"IEND\xaeB`\x82"):
            assert time.monotonic() < end, selector
            content = b"".join(path.read_bytes() for path in self.downloads.glob("*.png"))
        with Image.open(BytesIO(content)) as picture:
            return np.asarray(picture)


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start the browser, with its profile in a folder. It downloads into ``folder / "downloads"``."""
    (folder / "downloads").mkdir(parents=True)
    preferences = {"browser.download.folderList": 2, "browser.download.dir": str(folder / "downloads")}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (folder / "user.js").write_text("".join(lines))
    command = [str(FIREFOX), "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = (re.search(r"WebDriver BiDi listening on (ws://\S+)", line) for line in process.stderr)
            address = next(match[1] for match in found if match)
            socket = websocket.create_connection(f"{address}/session", timeout=PATIENCE, suppress_origin=True)
            yield Firefox(socket, folder / "downloads")
            socket.close()
        finally:
            process.terminate()
