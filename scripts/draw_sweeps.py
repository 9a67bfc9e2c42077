"""Draw the README's picture: a street scene, its columns and rows being swept, and its mask.

    python -m segrnn.train run_id=first
    python scripts/draw_sweeps.py --ckpt runs/train/first/checkpoints/best.ckpt --output docs/pictures/sweeps.png

Shades are measured on the trained network: how strongly the ringed position depends on each place of the feature map,
after the sweep along the columns and after the one along the rows.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from segrnn.datasets import Demo
from segrnn.inference import Predictor


def look(predictor: Predictor, image: np.ndarray, at: tuple[int, int]) -> list[Tensor]:
    """What a position of the map depends on, after the first sweep and after both, between 0 and 1; ``(h, w)`` each."""
    (context,) = predictor.segmenter.context.values()
    maps: list[Tensor] = []
    handle = context.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0].detach()))
    predictor(image)
    handle.remove()
    columns, rows = context.context.sweeps
    fields = []
    for sweep in (columns, torch.nn.Sequential(columns, rows)):
        x = maps[0].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(sweep(x)[0, :, at[0], at[1]].sum(), x)
        field = gradient[0].norm(dim=0)
        fields.append(field / field.max())
    return fields


def panel(axes: Axes, picture: np.ndarray, title: str) -> None:
    """A picture under its title."""
    axes.imshow(picture)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ckpt", type=Path, required=True, help="a checkpoint of a demo run with one ReNet at stride 8"
    )
    parser.add_argument("--data", default="data/demo", help="the folder of the demo's scenes")
    parser.add_argument("--image", type=int, default=0, help="the number of the validation scene")
    parser.add_argument(
        "--at", type=int, nargs=2, default=(8, 16), help="row and column of the marked position, at stride 8"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    predictor = Predictor.load(arguments.ckpt)
    sample = Demo(arguments.data, "val")[arguments.image]
    height, width = sample.mask.shape
    row, column = arguments.at
    fields = look(predictor, sample.image, (row, column))

    figure = Figure(figsize=(10, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    (scene, columns), (rows, mask) = figure.subplots(2, 2)
    panel(scene, sample.image, "a street scene")
    faded = (0.55 * 255 + 0.45 * sample.image.mean(axis=2, keepdims=True)).repeat(3, axis=2).astype(np.uint8)
    extent = (0, width, height, 0)
    for axes, field, title in [
        (columns, fields[0], "down and up each column: the ring has seen its column"),
        (rows, fields[1], "then left and right along each row: it has seen the scene"),
    ]:
        panel(axes, faded, title)
        shade = field.clamp(min=1e-4).numpy()
        axes.imshow(shade, extent=extent, norm=LogNorm(1e-3, 1), cmap="YlOrRd", alpha=np.where(shade > 1e-3, 0.75, 0))
    arrow = {"arrowstyle": "<->", "color": "#3f51b5", "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
    for x in np.arange(12, width, 16):
        columns.annotate("", (x, 4), (x, height - 4), arrowprops=arrow)
    for y in np.arange(12, height, 16):
        rows.annotate("", (4, y), (width - 4, y), arrowprops=arrow)
    panel(mask, predictor.info.labels.colorize(predictor(sample.image)), "its mask")
    for axes in (scene, columns, rows, mask):
        axes.plot(8 * column + 4, 8 * row + 4, "o", ms=9, mfc="none", mec="black", mew=2)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=110, metadata={"Software": None})
    print(arguments.output)


if __name__ == "__main__":
    main()
