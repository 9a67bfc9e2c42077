"""Small datasets in the real layouts, and whole commands run in this process."""

import gc
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path, PurePosixPath
from threading import Thread
from urllib.parse import urlsplit

# before torch starts: on tensors as small as these, threads only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from band_files import write_bands
from PIL import Image
from selenium import webdriver
from torch import nn

from segrnn.config.composition import compose
from segrnn.config.schema import Train
from segrnn.datasets.demo_pages import write_demo_pages
from segrnn.labels import CAMVID_COLORS

# A command makes many objects that live on. To look for rubbish as often as Python does takes an eighth of the time.
gc.set_threshold(50_000, 20, 50)

SIZE = (36, 52)  # height, width: divisible by nothing that an encoder wants

SMALL = [  # a run of seconds
    "encoder.weights=null",
    "model.width=16",
    "context.hidden=8",
    "data.batch_size=4",
    "data.crop=[32,32]",
    "data.workers=0",
    "examples.count=1",  # a page of more takes a second to draw
    "trainer.accelerator=cpu",
    "trainer.max_steps=3",
    "trainer.validate_every_n_steps=2",
]


@pytest.fixture(autouse=True)
def examples(doctest_namespace: dict) -> None:
    """Names that the examples in docstrings use without importing them."""
    from segrnn.context import ReNet

    doctest_namespace.update(np=np, torch=torch, nn=nn, ReNet=ReNet)


@pytest.fixture
def poisoned_memory() -> Iterator[None]:
    """Fill uninitialised memory with NaN, so that an operation that reads it shows."""
    assert torch.utils.deterministic.fill_uninitialized_memory  # what torch does with deterministic algorithms
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


def write_pair(image: Path, label: Path, ids: np.ndarray, rng: np.random.Generator) -> None:
    """An image whose colours follow its labels, and the label file."""
    image.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    colors = np.random.default_rng(0).integers(0, 255, (256, 3))
    pixels = colors[ids] + rng.integers(-20, 20, (*ids.shape, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(image)
    Image.fromarray(ids.astype(np.uint8)).save(label)


def blocks(rng: np.random.Generator, ids: list[int], size: tuple[int, int] = SIZE) -> np.ndarray:
    """A label map of 12 x 13 pixel blocks."""
    height, width = size
    coarse = rng.choice(ids, (-(-height // 12), -(-width // 13)))
    return np.kron(coarse, np.ones((12, 13), int))[:height, :width]


def draw_camvid(root: Path) -> Path:
    """A small CamVid: 6 training, 5 validation and 2 test frames, one of them a JPEG, with void; always the same."""
    rng = np.random.default_rng(1)
    for split, count in {"train": 6, "val": 5, "test": 2}.items():
        stems = [f"0001TP_{i:06d}" for i in range(count)]
        for stem in stems:
            suffix = ".jpg" if stem == stems[0] else ".png"
            ids = blocks(rng, [0, 1, 3, 8, 11])
            write_pair(root / split / f"{stem}{suffix}", root / f"{split}annot" / f"{stem}.png", ids, rng)
        lines = [f"/SegNet/CamVid/{split}/{stem}.png /SegNet/CamVid/{split}annot/{stem}.png" for stem in stems]
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """A small CamVid of one's own."""
    return draw_camvid(tmp_path / "camvid")


@pytest.fixture
def camvid_original(tmp_path: Path) -> Path:
    """A small CamVid as first published: 4 training, 3 validation and 3 test frames in all 32 colours."""
    root = tmp_path / "camvid_original"
    rng = np.random.default_rng(3)
    colors = np.array(list(CAMVID_COLORS.ids), np.uint8)
    train = ["0001TP_006690", "0001TP_008520", "0006R0_f00930", "0016E5_00390"]
    val = ["0016E5_07959", "0016E5_08001", "0016E5_08159"]
    for stem in [*train, *val, "0001TP_008550", "Seq05VD_f00000", "Seq05VD_f05100"]:
        label = root / "LabeledApproved_full" / f"{stem}_L.png"
        rows = blocks(rng, list(range(32)))
        write_pair(root / "701_StillsRaw_full" / f"{stem}.png", label, rows, rng)
        Image.fromarray(colors[rows]).save(label)
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """A small Cityscapes tree with the ids of all kinds, fine and coarse, and with instances."""
    root = tmp_path / "cityscapes"
    write_cityscapes(root)
    return root


def write_cityscapes(root: Path) -> None:
    """Frames of four cities in the layout of Cityscapes."""
    rng = np.random.default_rng(2)
    for split, city in [("train", "aachen"), ("train", "bochum"), ("val", "frankfurt"), ("train_extra", "troisdorf")]:
        for frame in range(3):
            stem = f"{city}_{frame:06d}_000019"
            ids = blocks(rng, list(range(34)))
            image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
            coarse = root / "gtCoarse" / split / city / f"{stem}_gtCoarse"
            write_pair(image, coarse.with_name(f"{coarse.name}_labelIds.png"), np.where(ids % 2, ids, 0), rng)
            if split == "train_extra":
                continue
            fine = root / "gtFine" / split / city / f"{stem}_gtFine"
            write_pair(image, fine.with_name(f"{fine.name}_labelIds.png"), ids, rng)
            numbered = np.where(ids >= 24, 1000 * ids + np.arange(SIZE[1]) // 13, ids)  # from person on, things
            Image.fromarray(numbered.astype(np.uint16)).save(fine.with_name(f"{fine.name}_instanceIds.png"))


@pytest.fixture
def ade20k(tmp_path: Path) -> Path:
    """A small ADE20K challenge: 5 training and 3 validation images of different sizes, the first ones grey."""
    root = tmp_path / "ADEChallengeData2016"
    rng = np.random.default_rng(4)
    for folder, kind, count in [("training", "train", 5), ("validation", "val", 3)]:
        for number in range(1, count + 1):
            stem = f"ADE_{kind}_{number:08d}"
            image = root / "images" / folder / f"{stem}.jpg"
            ids = blocks(rng, [0, 1, 2, 3, 13, 150], size=(36 + 5 * number, 70 - 7 * number))
            write_pair(image, root / "annotations" / folder / f"{stem}.png", ids, rng)
            if number == 1:
                Image.open(image).convert("L").save(image)
    (root / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n")
    return root


@pytest.fixture
def drawn_pages(tmp_path: Path) -> Path:
    """Small demo pages: 4 for training and 2 for validation."""
    root = tmp_path / "drawn_pages"
    write_demo_pages(root, train=4, val=2, size=(64, 44))
    return root


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A person's own images: 4 for training and 2 for validation in folders, ids with gaps."""
    root = tmp_path / "own"
    rng = np.random.default_rng(5)
    for split, count in [("train", 4), ("val", 2)]:
        for number in range(count):
            ids = blocks(rng, [0, 7, 40, 255])
            image = root / "images" / split / f"day{number % 2}" / f"{number}.jpg"
            write_pair(image, root / "masks" / split / f"day{number % 2}" / f"{number}.png", ids, rng)
    (root / "classes.yaml").write_text(
        "name: streets\n"
        "classes:\n"
        "  - {name: road, id: 7, color: [128, 64, 128]}\n"
        "  - {name: car, id: 40, color: [0, 0, 142]}\n"
        "  - {name: sky, id: 0, color: [70, 130, 180]}\n"
    )
    return root


def write_own_trees(root: Path) -> None:
    """The trees of the page about own images, without their files of classes."""
    rng = np.random.default_rng(6)
    colors = np.array([[128, 64, 128], [244, 35, 232], [0, 0, 0], [255, 255, 255], [9, 9, 9]], np.uint8)
    for number in range(6):
        name = f"2007_00{number:04d}"
        mask = root / "voc/SegmentationClass" / f"{name}.png"
        write_pair(root / "voc/JPEGImages" / f"{name}.jpg", mask, blocks(rng, [0, 1, 2, 255]), rng)
        picture = Image.open(mask)
        picture.putpalette(rng.integers(0, 256, 768).tolist())
        picture.save(mask)
        drive = f"drive{number // 2}_{number:04d}"
        write_pair(root / f"flat/{drive}.jpg", root / f"flat/{drive}_mask.png", blocks(rng, [0, 255]), rng)
        of_colors = blocks(rng, list(range(5)))
        write_pair(root / f"listed/day 1/{number}.jpg", root / f"listed/gt/{number}.png", of_colors, rng)
        Image.fromarray(colors[of_colors]).save(root / f"listed/gt/{number}.png")
    write_bands(root / "bands", size=(64, 80))
    write_cityscapes(root / "streets")
    names = [f"2007_00{number:04d}" for number in range(6)]
    lines = [f"day 1/{number}.jpg gt/{number}.png" for number in range(6)]
    (root / "voc/ImageSets/Segmentation").mkdir(parents=True)
    for split, part in (("train", slice(4)), ("val", slice(4, 6))):
        (root / f"voc/ImageSets/Segmentation/{split}.txt").write_text("\n".join(names[part]))
        (root / f"listed/{split}.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(lines[part]).encode())


def composed(*overrides: str) -> Train:
    """The configuration of a training, as the command gets it."""
    return compose(Train, overrides)


def zipped(folder: Path, archive: Path, inside: str = "") -> Path:
    """Add a folder's content to a zip archive below the path `inside`, with entries for folders as publishers have."""
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, PurePosixPath(inside, path.relative_to(folder)))
    return archive


class Web:
    """A web server on loopback that fails as it is told."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.ranges = True
        self.cuts: list[int | None] = []  # after so many bytes each, the next answers are cut off
        self.statuses: list[int] = []  # instead of the next answers
        self.type = "application/zip"
        self.requests: list[tuple[str, str | None]] = []  # path and range
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.answer(self)

            def do_HEAD(self) -> None:
                web.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                web.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers["Range"]
        self.requests.append((handler.path, wanted))
        body = self.files.get(handler.path)
        status = self.statuses.pop(0) if self.statuses else 200 if body is not None else 404
        if status != 200:
            handler.send_error(status)
            return
        tag, start = self.tags.get(handler.path), 0
        handler.close_connection = True
        if self.ranges and wanted and handler.headers["If-Range"] in (None, tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            handler.send_response(206 if start < len(body) else 416)
            place = f"{start}-{len(body) - 1}" if start < len(body) else "*"
            handler.send_header("Content-Range", f"bytes {place}/{len(body)}")
        else:
            handler.send_response(200)
        if tag:
            handler.send_header("ETag", tag)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", self.type)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        handler.wfile.write(body[start:][: self.cuts.pop(0) if self.cuts else None])


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A running `Web`; downloads don't pause before they try again."""
    monkeypatch.setattr("segrnn.dataset_tools.download.PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    web = Web()
    thread = Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    web.server.shutdown()
    web.server.server_close()
    thread.join()


Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command as from the shell, in a folder of its own; gives its exit code."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(command: str, *overrides: str) -> int:
        monkeypatch.setattr(sys, "argv", [f"segrnn.{command}", *overrides])
        try:
            import_module("segrnn.export.__main__" if command == "export" else f"segrnn.{command}").main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no browser: apt-get install chromium chromium-driver"
)


FAKES = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
)
"""A camera that nobody asks about, and a graphics processor that the processor imitates."""


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[webdriver.Chrome]:
    assert CHROMIUM is not None
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900", *FAKES):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # named, or Selenium would look for a driver on the internet
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(shared_browser: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """A browser that has nothing to complain about, nor anything to ask of a network."""
    for kind in ("browser", "performance"):
        shared_browser.get_log(kind)
    yield shared_browser
    assert shared_browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in shared_browser.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    assert sent
    assert {urlsplit(event["request"]["url"]).scheme for event in sent} <= {"file", "data"}
    assert len([event for event in sent if event["request"]["url"].startswith("file:")]) == 1  # the page itself
