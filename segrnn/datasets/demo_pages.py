"""Book pages drawn by rule, for documents. This dataset needs no download.

A running title, a page number, a quire mark, a note and a line of text are made of the same words. Only their places
relative to the text block tell them apart. `segrnn.datasets.page_layout` says by which rules.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from segrnn.datasets.class_file import CLASS_FILE, write_class_file
from segrnn.datasets.demo_drawing import OVERSAMPLING
from segrnn.datasets.drawn_folder import draw_unless_there, drawn_folder, draws
from segrnn.datasets.folder import Folder
from segrnn.datasets.page_ink import HEIGHT, Ink, develop
from segrnn.datasets.page_layout import lay_out
from segrnn.datasets.page_setting import Layout, Zone
from segrnn.labels import DEMO_PAGES

RATIOS = (0.65, 1.0)
"""The least and the largest width of a page, in heights."""

_ID = {label.name: label.id for label in DEMO_PAGES.classes}


class Page(NamedTuple):
    """A drawn page with its labels."""

    image: npt.NDArray[np.uint8]
    """The picture in RGB, ``(H, W, 3)``."""
    ids: npt.NDArray[np.uint8]
    """The ids of the classes, ``(H, W)``."""


@dataclass(frozen=True)
class PagePlan:
    """The plan of a page. The picture depends on everything in it except the zones, and the labels on the zones."""

    size: tuple[int, int]
    """The height and the width of the picture."""
    front: Layout
    """What is on the page."""
    back: Layout
    """What is on the other side of the leaf. Some of it shows through."""
    seed: int
    """The seed of the paper, the light and the noise."""


def plan_page(rng: np.random.Generator, size: tuple[int, int] = (256, 176)) -> PagePlan:
    """Lay out both sides of a leaf.

    Args:
        rng: the source of all chance.
        size: the height and the width of the picture.

    Raises:
        ValueError: the page is too narrow or too wide for its height.
    """
    height, width = size
    if not RATIOS[0] <= width / height <= RATIOS[1]:
        raise ValueError(f"a page must be {RATIOS[0]:g} to {RATIOS[1]:g} times as wide as high, got {height} x {width}")
    seed, units = int(rng.integers(2**32)), HEIGHT * width / height
    return PagePlan(size, lay_out(rng, units), lay_out(rng, units), seed)


def render_page(plan: PagePlan) -> Page:
    """Draw a planned page."""
    front, back = (_print(side, plan.size) for side in (plan.front, plan.back))
    ids = _paint(plan.front.zones, plan.size)
    return Page(*develop(front, ids, back, np.random.default_rng(plan.seed)))


def draw_page(rng: np.random.Generator, size: tuple[int, int] = (256, 176)) -> Page:
    """Plan and render a page of ``size`` (height, width).

    Raises:
        ValueError: the page is too narrow or too wide for its height.

    Example:
        >>> page = draw_page(np.random.default_rng(0))
        >>> page.image.shape, page.ids.shape
        ((256, 176, 3), (256, 176))
    """
    return render_page(plan_page(rng, size))


def _print(layout: Layout, size: tuple[int, int]) -> Image.Image:
    """Return the ink of a layout, in a picture that is larger by `OVERSAMPLING`."""
    ink = Ink(size)
    for plate in layout.plates:
        ink.plate(plate)
    for capital in layout.capitals:
        ink.capital(capital)
    for word in layout.words:
        ink.word(word)
    return ink.layer


def _paint(zones: list[Zone], size: tuple[int, int]) -> Image.Image:
    """Return the ids of zones, in a picture that is larger by `OVERSAMPLING`."""
    height, width = size
    scale = OVERSAMPLING * height / HEIGHT
    ids = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING), _ID["background"])
    brush = ImageDraw.Draw(ids)
    for zone in zones:
        brush.rectangle([round(side * scale) for side in zone.box], _ID[zone.name])
    return ids


def write_demo_pages(
    root: Path, train: int = 240, val: int = 40, seed: int = 0, size: tuple[int, int] = (256, 176)
) -> None:
    """Draw demo pages and write them below ``root``, in the usual tree of `Folder`. After a failure, nothing is left.

    A page depends only on the seed, its split and its number. If another process wrote ``root`` meanwhile, that copy
    stays and this one is dropped.

    Args:
        root: the folder to write. It may exist if it is empty.
        train: the number of pages for training.
        val: the number of pages for validation.
        seed: the seed of the dataset.
        size: the height and the width of a page.

    Raises:
        ValueError: a split would have no pages, or pages are too narrow or too wide for their height.
        OutputError: ``root`` exists already and is not an empty folder, or can't be written.
    """
    turns = draws("demo pages", {"train": train, "val": val}, seed)
    with drawn_folder(root, "demo pages") as draft:
        write_class_file(draft / CLASS_FILE, DEMO_PAGES)
        for split, number, rng in turns:
            page = draw_page(rng, size)
            for kind, pixels in (("images", page.image), ("masks", page.ids)):
                folder = draft / kind / split
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / f"page_{number:03d}.png")


class DemoPages(Folder):
    """A dataset of book pages. They are drawn once if they are missing, and then read as images and masks.

    The words of all classes of text are alike. A network needs context to see where they stand relative to the block.

    Args:
        root: the folder to draw into. If it exists already, it is only read.
        split: ``train`` or ``val``.
        strict: whether an image without a mask is an error.

    Raises:
        DataError: the folder exists but does not hold the pages.
    """

    def __init__(self, root: str, split: str, strict: bool = True) -> None:
        draw_unless_there(root, write_demo_pages)
        super().__init__(root, split, strict)
