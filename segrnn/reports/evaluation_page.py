"""A page that shows a whole evaluation. It is one file, which a browser shows without an internet connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segrnn.atomic import write_atomically
from segrnn.labels import LabelSpace, hex_color
from segrnn.metrics import Scores
from segrnn.metrics.arithmetic import known
from segrnn.reports.gallery import Example, Gallery
from segrnn.reports.html_page import MOST_BYTES, classes_in, errors_uri, fit_page, mask_uri, photo_uri
from segrnn.reports.pictures import OUTCOMES

_MOST_EXAMPLES = 200
"""The most examples in the page. With more examples, each would have to be very small."""

_CONFUSIONS = 20
"""The number of confusions in the page's table. They are the most frequent ones."""


@dataclass(frozen=True)
class Report:
    """The content of the page.

    Args:
        title: the images that were scored.
        figures: scores by name, as fractions; NaN if a score is not defined.
        facts: facts about the origin of the scores, by name.
        scores: the scores of the classes.
        labels: the classes with their colours.
        gallery: the images to show.
    """

    title: str
    figures: Mapping[str, float]
    facts: Mapping[str, str]
    scores: Scores
    labels: LabelSpace
    gallery: Gallery


def write_report(report: Report, path: Path, most_bytes: int = MOST_BYTES) -> None:
    """Write a page with tables, the confusion matrix and images under a slider. It loads nothing from elsewhere.

    Args:
        report: the content of the page.
        path: the HTML file.
        most_bytes: the most bytes of the file. Pictures are made smaller until the file fits.
    """
    page = _render(report, most_bytes)
    write_atomically(path, lambda temporary: temporary.write_bytes(page))


def _render(report: Report, most_bytes: int) -> bytes:
    gallery = report.gallery
    parts = {"Worst images": gallery.worst, "Best images": gallery.best, "Chosen images": gallery.chosen}
    # an image can be in several parts, but is stored once
    examples = list({example.name: example for part in parts.values() for example in part}.values())[:_MOST_EXAMPLES]
    places = {example.name: place for place, example in enumerate(examples)}
    document = {
        **_describe(report),
        "parts": [
            {"title": title, "examples": [places[example.name] for example in part if example.name in places]}
            for title, part in parts.items()
        ],
        "left_out": len({example.name for part in parts.values() for example in part}) - len(examples),
    }
    longest = max((side for example in examples for side in example.truth.shape), default=1)
    return fit_page(
        "report.html",
        document,
        lambda longest: [_describe_example(each, report.labels, longest) for each in examples],
        longest,
        most_bytes,
    )


def _describe(report: Report) -> dict[str, Any]:
    """Return the report without its images, as primitives."""
    scores = report.scores
    columns = (report.labels.classes, scores.iou, scores.accuracy, scores.support)
    return {
        "title": report.title,
        "figures": [{"name": name, "value": known(value)} for name, value in report.figures.items()],
        "facts": [{"name": name, "value": value} for name, value in report.facts.items()],
        "classes": [
            {
                "name": label.name,
                "color": hex_color(label.color),
                "iou": known(iou),
                "accuracy": known(accuracy),
                "pixels": int(pixels),
            }
            for label, iou, accuracy, pixels in zip(*columns, strict=True)
        ],
        "outcomes": [{"name": name, "color": hex_color(color)} for name, color in OUTCOMES.items()],
        "counts": scores.counts.tolist(),
        "columns": list(scores.columns),
        "confusions": [confusion._asdict() for confusion in scores.confusions(_CONFUSIONS)],
    }


def _describe_example(example: Example, labels: LabelSpace, longest: int) -> dict[str, Any]:
    """Return an example as primitives, with its pictures as URIs."""
    small, palette = example.shrunk(longest), labels.palette[: labels.num_classes + 1]
    height, width = small.truth.shape
    return {
        "name": example.name,
        "miou": known(example.miou),
        "width": width,
        "height": height,
        "classes": classes_in(example.truth, example.prediction),
        "layers": {
            "image": photo_uri(small.image),
            "truth": mask_uri(small.truth, palette),
            "prediction": mask_uri(small.prediction, palette),
            "errors": errors_uri(small.prediction, small.truth),
        },
    }
