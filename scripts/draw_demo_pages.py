r"""Draw pages of the demo pages, their labels, and what networks find on them.

    python -m segrnn.train data=demo_pages context=none run_id=pages_none
    python -m segrnn.train data=demo_pages context=dilated_convolutions context.hidden=52 run_id=pages_dilated
    python -m segrnn.train data=demo_pages context=renet_lstm context.hidden=56 run_id=pages_sweeps
    python scripts/draw_demo_pages.py --images 3 20 --output docs/pictures/demo_pages.png --ckpts \
        "no context=runs/train/pages_none/checkpoints/last.ckpt" \
        "dilated convolutions=runs/train/pages_dilated/checkpoints/last.ckpt" \
        "sweeps=runs/train/pages_sweeps/checkpoints/last.ckpt"

The pages are drawn if they are missing. No scan is needed.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from segrnn.datasets import DemoPages
from segrnn.inference import Predictor
from segrnn.labels import DEMO_PAGES


def named_file(text: str) -> tuple[str, Path]:
    """Split NAME=CKPT at the first equals sign."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=CKPT")
    return name, Path(path)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ckpts", type=named_file, nargs="+", required=True, metavar="NAME=CKPT", help="checkpoints with their names"
    )
    parser.add_argument("--data", default="data/demo_pages", help="the folder of the demo pages")
    parser.add_argument("--images", type=int, nargs="+", default=(0,), help="the numbers of the validation pages")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    predictors = {name: Predictor.load(ckpt) for name, ckpt in arguments.ckpts}
    pages = DemoPages(arguments.data, "val")
    titles = ["a page", "its labels", *predictors]
    figure = Figure(figsize=(2.1 * len(titles), 3.2 * len(arguments.images) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(arguments.images), len(titles), squeeze=False)
    for row, number in zip(grid, arguments.images, strict=True):
        sample = pages[number]
        masks = [sample.mask, *(np.asarray(predictor(sample.image)) for predictor in predictors.values())]
        for axes, picture in zip(row, [sample.image, *(DEMO_PAGES.colorize(mask) for mask in masks)], strict=True):
            axes.imshow(picture)
            axes.set_xticks([])
            axes.set_yticks([])
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=10)
    patches = [
        Patch(facecolor=np.array(label.color) / 255, edgecolor="grey", label=label.name) for label in DEMO_PAGES.classes
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, fontsize=9)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90, metadata={"Software": None})
    print(arguments.output)


if __name__ == "__main__":
    main()
