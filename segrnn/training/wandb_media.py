"""Scores and examples in the forms that Weights & Biases shows."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import wandb
from PIL import Image
from wandb.plot.custom_chart import CustomChart

from segrnn.labels import IGNORE_INDEX, LabelSpace
from segrnn.metrics import Scores
from segrnn.reports import OUTCOMES, Example, outcomes, write_rows
from segrnn.text import printable

_MOST_ROWS = 10_000
"""The most rows of a table or a chart. W&B drops the rest."""


def csv_table(path: Path) -> wandb.Table:
    """Return a CSV file as a table that can be sorted and filtered. A column is of numbers if all its values are."""
    with path.open(newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file)
    kinds = [_kind([row[i] for row in rows]) for i in range(len(columns))]
    typed: list[list[object]] = [
        [kind(value) if value else None for kind, value in zip(kinds, row, strict=True)] for row in rows[:_MOST_ROWS]
    ]
    return wandb.Table(list(columns), typed, allow_mixed_types=True)


def _kind(values: Sequence[str]) -> Callable[[str], object]:
    try:
        for value in values:
            float(value or 0)
    except ValueError:
        return printable
    return float


_SHOW: Mapping[str, tuple[str, Callable[[Path], object]]] = {
    ".csv": ("tables", csv_table),
    ".png": ("pictures", lambda path: wandb.Image(str(path))),
    # W&B would add a style sheet from its own site
    ".html": ("pages", lambda path: wandb.Html(str(path), inject=False)),
}
"""The section of a page that shows a file, and how, by the file's suffix."""


def show_files(folder: Path) -> dict[str, object]:
    """Return the tables, pictures and pages of a folder in the forms that W&B shows."""
    shown = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _SHOW:
            section, show = _SHOW[path.suffix]
            shown[f"{section}/{path.stem}"] = show(path)
    return shown


def example_images(examples: Sequence[Example], labels: LabelSpace) -> list[wandb.Image]:
    """Return images with masks, padded with void to one size. W&B shows all images of a list as large as the first."""
    height = max(len(example.truth) for example in examples)
    width = max(example.truth.shape[1] for example in examples)
    return [example_image(_fill_up(example, height, width), labels) for example in examples]


def example_image(example: Example, labels: LabelSpace) -> wandb.Image:
    """Return an image with its masks as layers that can be shown and hidden. W&B chooses their colours."""
    names = {**dict(enumerate(map(printable, labels.class_names))), IGNORE_INDEX: "void"}
    return wandb.Image(
        Image.fromarray(example.image),
        caption=printable(example.title),
        masks={
            "errors": {
                "mask_data": outcomes(example.prediction, example.truth),
                "class_labels": dict(enumerate(OUTCOMES)),
            },
            "prediction": {"mask_data": example.prediction, "class_labels": names},
            "ground_truth": {"mask_data": example.truth, "class_labels": names},
        },
        file_type="jpg",
    )


def _fill_up(example: Example, height: int, width: int) -> Example:
    missing = ((0, height - example.truth.shape[0]), (0, width - example.truth.shape[1]))
    truth, prediction = (
        np.pad(mask, missing, constant_values=IGNORE_INDEX) for mask in (example.truth, example.prediction)
    )
    return replace(example, image=np.pad(example.image, (*missing, (0, 0))), truth=truth, prediction=prediction)


def panels(examples: Sequence[Example], labels: LabelSpace, path: Path) -> wandb.Image:
    """Draw image, truth, prediction and errors side by side, in the dataset's own colours.

    Args:
        examples: the examples, one a row.
        labels: the classes and their colours.
        path: the file to write the picture to.
    """
    write_rows(examples, labels, path)
    return wandb.Image(str(path), caption="image, truth, prediction, errors")


def worst_table(examples: Sequence[Example], labels: LabelSpace) -> wandb.Table:
    """Return a table of the images with the lowest mIoU, worst first."""
    rows = [[printable(example.name), example.miou, example_image(example, labels)] for example in examples]
    return wandb.Table(["name", "mIoU", "image"], rows)


def confusion_chart(scores: Scores) -> CustomChart | None:
    """Return a chart of the confusion matrix, or None if it has too many cells for a chart."""
    names = [printable(name) for name in scores.class_names]
    if len(names) ** 2 > _MOST_ROWS:
        return None
    rows = [[names[true], names[predicted], int(n)] for (true, predicted), n in np.ndenumerate(scores.counts)]
    cells = wandb.Table(["Actual", "Predicted", "nPredictions"], rows)
    fields = {str(column): str(column) for column in cells.columns}
    return wandb.plot_table("wandb/confusion_matrix/v1", cells, fields, {"title": "pixels"})


def confusion_table(scores: Scores) -> wandb.Table:
    """Return a table of the pairs of classes that are confused most."""
    rows = [[printable(true), printable(predicted), *rest] for true, predicted, *rest in scores.confusions(count=100)]
    return wandb.Table(["true", "predicted", "pixels", "share of the true class"], rows)


def iou_chart(scores: Scores) -> CustomChart:
    """Return a bar chart of the IoU of each class that occurs."""
    rows = [
        [printable(name), float(iou)]
        for name, iou in zip(scores.class_names, scores.iou, strict=True)
        if not np.isnan(iou)
    ]
    return wandb.plot.bar(wandb.Table(["class", "IoU"], rows), "class", "IoU", title="IoU")
