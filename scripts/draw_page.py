"""Draw a page of text, and what a network for pages finds on it.

    python -m segrnn.prepare import_kraken file=kraken/blla.mlmodel output=lines kinds=[aux,baselines]
    python scripts/draw_page.py --ckpt lines --output docs/pictures/page.png

The page is set by this script. No scan is needed.
"""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.patches import Patch
from PIL import Image, ImageDraw, ImageFont

from segrnn.inference import Predictor

WIDTH, HEIGHT = 1240, 1754  # A4 at 150 dots per inch
TEXT = """A page is a picture that is read in lines. A network that sees only a small window knows that there is ink.
It can't know whether the ink belongs to a title, to a note in the margin or to the text. A sweep along the rows carries
what stands at the left edge to the right edge, and one along the columns carries the top of the page to its foot. After
both, each place has seen the whole page, and a number alone at the foot is a page number. """


def draw_page() -> Image.Image:
    """Set a page with a running title, a heading, two columns, a note in the margin and a page number."""
    paper = Image.new("L", (WIDTH, HEIGHT), 236)
    draw = ImageDraw.Draw(paper)

    def write(at: tuple[float, float], text: str, size: int, style: str = "normal", anchor: str = "ls") -> None:
        font = ImageFont.truetype(findfont(FontProperties(family="DejaVu Serif", style=style)), size)
        draw.text(at, text, fill=40, font=font, anchor=anchor)

    write((620, 130), "OF ROWS AND COLUMNS", 22, anchor="ms")
    write((620, 250), "How a page is swept", 44, anchor="ms")
    lines = textwrap.wrap(TEXT * 6, 34)
    for column, left in enumerate((200, 650)):
        for row, line in enumerate(lines[40 * column : 40 * (column + 1)]):
            write((left, 330 + 31 * row), line, 21)
    for row, line in enumerate(("down, up,", "left, right")):
        write((60, 480 + 25 * row), line, 17, "italic")
    write((620, 1660), "12", 22, anchor="ms")
    return paper.rotate(0.6, Image.Resampling.BICUBIC, fillcolor=236).convert("RGB")  # as a scan seldom lies straight


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", type=Path, required=True, help="a checkpoint or a bundle of a network for pages")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    predictor = Predictor.load(arguments.ckpt)
    labels = predictor.info.labels
    page = draw_page()
    mask = np.asarray(predictor(np.asarray(page)))
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.imshow(page)
    faded = 0.6 * 255 + 0.4 * np.asarray(page, np.float64)
    found = (mask != 0)[..., None]
    right.imshow(np.where(found, labels.colorize(mask), faded).astype(np.uint8))
    for axes, title in ((left, "a page"), (right, "its lines")):
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    shown = [labels.classes[k] for k in np.unique(mask) if k]
    patches = [Patch(color=np.array(label.color) / 255, label=label.name) for label in shown]
    figure.legend(handles=patches, loc="outside lower center", ncols=3)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=110, metadata={"Software": None})
    print(arguments.output)


if __name__ == "__main__":
    main()
