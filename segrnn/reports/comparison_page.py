"""A page that compares runs. It is one file, which a browser shows without an internet connection."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segrnn.atomic import write_atomically
from segrnn.curves import Curves
from segrnn.labels import hex_color
from segrnn.labels.space import ByteArray
from segrnn.metrics.arithmetic import known
from segrnn.reports.gallery import Example
from segrnn.reports.html_page import MOST_BYTES, classes_in, errors_uri, fit_page, mask_uri, photo_uri
from segrnn.reports.pictures import OUTCOMES

_CHARTS = {
    "train/loss": "Training loss",
    "val/loss": "Validation loss",
    "val/miou": "Validation mIoU, %",
    "lr": "Learning rate",
}
"""The titles of the charts, by the names of their curves."""

_POINTS = 1000
"""The most points of a curve. A screen can't show more."""


@dataclass(frozen=True)
class Compared:
    """A run in the page."""

    name: str
    """The name of the run. No two runs of a page have one name."""
    facts: Mapping[str, str]
    """The facts about the run, by their names. All runs have the same ones, as far as they have any."""
    curves: Curves
    """The curves. An evaluation has none."""
    scores: Mapping[str, float | None]
    """The scores by their names, as fractions. A score that is not known is None, or is missing."""
    ious: Mapping[str, float | None]
    """The IoU of each class by its name. A class that does not occur has None."""
    examples: Sequence[Example] | None
    """The images that the run has kept, or None if it has not kept any yet."""


def write_comparison(
    runs: Sequence[Compared],
    colors: Mapping[str, str],
    settings: Mapping[str, Sequence[Any]],
    path: Path,
    most_bytes: int = MOST_BYTES,
) -> None:
    """Write a page with the curves, the scores, the settings and the pictures of runs. It loads nothing from elsewhere.

    Args:
        runs: the runs. Differences are those to the first one.
        colors: the colours of the classes by their names, in the order of their train ids, as ``#rrggbb``.
        settings: the settings that differ, with the value in each run.
        path: the HTML file.
        most_bytes: the most bytes of the file. Pictures are made smaller until the file fits.

    Raises:
        OutputError: the file can't be written.
    """
    shown = [run for run in runs if run.examples is not None]
    images = _shared([run.examples or [] for run in shown])
    names = [run.name for run in shown]
    document = {
        **_describe(runs, colors, settings),
        "layers": ["image", "truth", *(f"{layer} of {name}" for name in names for layer in ("prediction", "errors"))],
        "pictured": names,
        "parts": [{"title": "", "examples": list(range(len(images)))}],
        "left_out": 0,
    }
    palette = _palette(colors)
    # runs may keep an image at several sizes
    longest = min((max(each.truth.shape) for image in images for each in image), default=1)
    page = fit_page(
        "comparison.html",
        document,
        lambda longest: [_describe_image(image, names, palette, longest) for image in images],
        longest,
        most_bytes,
    )
    write_atomically(path, lambda temporary: temporary.write_bytes(page))


def _describe(
    runs: Sequence[Compared], colors: Mapping[str, str], settings: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """Return the runs without their images, as primitives."""
    facts = dict.fromkeys(name for run in runs for name in run.facts)
    scores = dict.fromkeys(name for run in runs for name in run.scores)
    charts = {key: [_points(run.curves.values.get(key, {})) for run in runs] for key in _CHARTS}
    return {
        "runs": [{"name": run.name, "facts": [run.facts.get(name, "") for name in facts]} for run in runs],
        "facts": list(facts),
        "charts": [
            {"title": _CHARTS[key], "percent": key == "val/miou", "curves": curves}
            for key, curves in charts.items()
            if any(curves)
        ],
        "scores": [{"name": name, "values": [run.scores.get(name) for run in runs]} for name in scores],
        "classes": [
            {"name": name, "color": color, "values": [run.ious.get(name) for run in runs]}
            for name, color in colors.items()
        ],
        "settings": [{"key": key, "values": list(map(_write, values))} for key, values in settings.items()],
        "outcomes": [{"name": name, "color": hex_color(color)} for name, color in OUTCOMES.items()],
    }


def _write(value: Any) -> str:
    """Return a setting as the command line takes it, more or less."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _points(curve: Mapping[int, float]) -> list[tuple[int, float]]:
    """Return the points of a curve in the order of steps, evenly thinned out if there are too many."""
    points = sorted(curve.items())
    places = np.unique(np.linspace(0, len(points) - 1, min(_POINTS, len(points))).round().astype(int))
    return [points[place] for place in places]


def _shared(kept: Sequence[Sequence[Example]]) -> list[list[Example]]:
    """Return the images that all runs have kept, each as the runs have kept it."""
    by_name = [{example.name: example for example in examples} for examples in kept]
    images = [
        [each[name] for each in by_name]
        for name in (by_name[0] if by_name else {})
        if all(name in each for each in by_name)
    ]
    return [image for image in images if all(_is_same(image[0], other) for other in image[1:])]


def _is_same(one: Example, other: Example) -> bool:
    """Tell whether two examples of one name show one image: other data may have images of the same names."""
    if one.truth.shape == other.truth.shape:
        return bool(np.array_equal(one.truth, other.truth))
    ratios = [height / width for height, width in (one.truth.shape, other.truth.shape)]
    return abs(ratios[0] - ratios[1]) < 0.02 * max(ratios)


def _describe_image(image: Sequence[Example], names: Sequence[str], palette: ByteArray, longest: int) -> dict[str, Any]:
    """Return an image with the masks of all runs as primitives, with its pictures as URIs."""
    small = [each.shrunk(longest) for each in image]
    height, width = small[0].truth.shape
    layers = {"image": photo_uri(small[0].image), "truth": mask_uri(small[0].truth, palette)}
    for name, each in zip(names, small, strict=True):
        layers[f"prediction of {name}"] = mask_uri(each.prediction, palette)
        layers[f"errors of {name}"] = errors_uri(each.prediction, each.truth)
    return {
        "name": image[0].name,
        "mious": [known(each.miou) for each in image],
        "width": width,
        "height": height,
        "classes": classes_in(image[0].truth, *(each.prediction for each in image)),
        "layers": layers,
    }


def _palette(colors: Mapping[str, str]) -> ByteArray:
    """Return the colours of the classes and, for void, black, ``(K + 1, 3)``."""
    return np.array([*(list(bytes.fromhex(color[1:])) for color in colors.values()), [0, 0, 0]], np.uint8)
