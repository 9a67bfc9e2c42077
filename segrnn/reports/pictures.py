"""Scores and masks as pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from segrnn.datasets import Sample
from segrnn.images import as_photo
from segrnn.labels import IGNORE_INDEX, Label, LabelSpace, hex_color
from segrnn.labels.space import ByteArray
from segrnn.metrics import Calibration, Scores
from segrnn.reports.figures import picture
from segrnn.reports.gallery import Example
from segrnn.text import shorten

_LEGEND = 40
"""The most classes that a legend has room for."""

_NAME, _TITLE = 24, 60
"""The most characters that a picture shows of a class's name and of an image's title. ADE20K has long names."""

_COLUMNS = 4
"""The most samples in a row of a sheet."""

OUTCOMES = {"right": (255, 255, 255), "wrong": (220, 30, 30), "void": (160, 160, 160)}
"""The possible outcomes of a pixel, and their colours in a picture of errors."""


def draw_confusion(scores: Scores, path: Path) -> None:
    """Draw the confusion matrix. Each row is a true class and sums to 100 %."""
    shares = 100 * scores.counts / np.maximum(scores.counts.sum(axis=1, keepdims=True), 1)
    classes = len(scores.class_names)
    side = 2.5 + min(0.45 * classes, 24)
    small = None if classes <= 50 else 5
    names = [shorten(name, _NAME) for name in scores.columns]
    with picture(path, (side + 1, side), dpi=110) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
        axes.set_yticks(range(classes), names[:classes], fontsize=small)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(f"mIoU {100 * scores.miou:.2f} %")
        if classes <= 40:  # with more classes, numbers in the cells can't be read
            for (row, column), share in np.ndenumerate(shares):
                if share >= 0.5:
                    shade = "white" if share > 60 else "black"
                    axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color=shade)
        figure.colorbar(image, ax=axes, label="% of the true class")


def draw_lr_range(factors: Sequence[float], losses: Sequence[float], path: Path) -> None:
    """Draw the loss of each step of a range test over the factor of the learning rates, with a smooth curve.

    Args:
        factors: the factor of the learning rates in each step.
        losses: the loss of each step.
        path: the file of the picture.
    """
    weights = 0.9 ** np.arange(len(losses))[::-1]  # average over about ten steps, without a bias at the start
    smooth = [np.average(losses[: i + 1], weights=weights[len(losses) - i - 1 :]) for i in range(len(losses))]
    with picture(path, (7, 4)) as figure:
        axes = figure.add_subplot()
        axes.plot(factors, losses, ".", alpha=0.3)
        axes.plot(factors, smooth)
        axes.set_xscale("log")
        axes.set_xlabel("learning rates, times the configured ones")
        axes.set_ylabel("loss")
        if len(smooth) > 1:
            steepest = factors[int(np.argmin(np.gradient(smooth)))]
            axes.axvline(steepest, color="black", linestyle=":")
            axes.set_title(f"falls fastest at {steepest:.2g} times")


def draw_calibration(calibration: Calibration, path: Path) -> None:
    """Draw the reliability diagram: accuracy over confidence for each bin, and the bin's share of pixels."""
    edges = np.linspace(0, 1, calibration.bins + 1)
    with picture(path, (5, 6)) as figure:
        curve, share = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        curve.stairs(np.nan_to_num(calibration.accuracy), edges, fill=True, alpha=0.5, label="accuracy")
        curve.plot(calibration.confidence, calibration.confidence, "k.:", label="confidence")
        curve.set_title(f"expected calibration error {100 * calibration.error:.2f} %")
        curve.legend()
        share.stairs(calibration.pixels / max(1, calibration.pixels.sum()), edges, fill=True)
        share.set_xlabel("confidence")
        share.set_ylabel("share of pixels")


def write_panels(examples: Sequence[Example], labels: LabelSpace, path: Path) -> None:
    """Draw a picture with image, truth, prediction and errors of each example, and a legend."""
    ratios = [len(example.image) / example.image.shape[1] for example in examples]
    with picture(path, (14, 3.5 * sum(ratios) + 1)) as figure:
        axes = figure.subplots(len(examples), 4, squeeze=False, height_ratios=ratios)
        for row, example in zip(axes, examples, strict=True):
            pictures = {
                shorten(example.title, _TITLE): example.image,
                "truth": labels.colorize(example.truth),
                "prediction": labels.colorize(example.prediction),
                "errors": errors(example.prediction, example.truth),
            }
            for axis, (title, pixels) in zip(row, pictures.items(), strict=True):
                axis.imshow(pixels)
                axis.set_title(title, fontsize=8)
                axis.set_axis_off()
        _legend(figure, labels.classes)


def write_sheet(samples: Sequence[Sample], labels: LabelSpace, path: Path) -> None:
    """Draw samples in rows, each with its classes in colours over it, and a legend of these classes.

    Rows have the height of the first sample. Samples of other sizes are drawn smaller.
    """
    columns = min(_COLUMNS, len(samples))
    rows = -(-len(samples) // columns)
    height, width = samples[0].mask.shape
    present = np.unique(np.concatenate([np.unique(sample.mask) for sample in samples]))
    shown = [label for label in labels.classes if label.train_id in present]
    with picture(path, (14, rows * (14 / columns * height / width + 0.3) + 1)) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        for axis, sample in zip(axes, samples, strict=False):
            axis.imshow((as_photo(sample.image) // 2) + (labels.colorize(sample.mask) // 2))
            axis.set_title(shorten(sample.name, _TITLE), fontsize=8)
        _legend(figure, shown, void=IGNORE_INDEX in present)


def errors(mask: ByteArray, truth: ByteArray) -> ByteArray:
    """Return a picture of errors: right pixels white, wrong ones red, void ones grey, ``(H, W) -> (H, W, 3)``."""
    return np.array(list(OUTCOMES.values()), np.uint8)[outcomes(mask, truth)]


def outcomes(mask: ByteArray, truth: ByteArray) -> ByteArray:
    """Return the outcome of each pixel as an index into `OUTCOMES`, ``(H, W) -> (H, W)``."""
    return np.where(truth == IGNORE_INDEX, 2, mask != truth).astype(np.uint8)


def _legend(figure: Figure, classes: Sequence[Label], void: bool = False) -> None:
    patches = [Patch(color=hex_color(label.color), label=shorten(label.name, _NAME)) for label in classes[:_LEGEND]]
    patches += [Patch(color="black", label="void")] if void else []
    figure.legend(handles=patches, loc="outside lower center", ncols=10, fontsize=8)
