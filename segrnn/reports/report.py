"""A page that shows a whole evaluation. It is one file, which a browser shows without an internet connection."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segrnn.atomic import write_atomically
from segrnn.datasets import Sample
from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.metrics import Scores
from segrnn.metrics.arithmetic import known
from segrnn.reports.gallery import Example, Gallery
from segrnn.reports.pictures import OUTCOMES, outcomes

_MOST_BYTES = 15_000_000
"""The most bytes of the page. Most mail servers accept a file of this size."""

_MOST_EXAMPLES = 200
"""The most examples in the page. With more examples, each would have to be very small."""

_CONFUSIONS = 20
"""The number of confusions in the page's table. They are the most frequent ones."""

_PLACE = "{{report}}"
"""The text in the template that is replaced by the JSON."""


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


def write_report(report: Report, path: Path, most_bytes: int = _MOST_BYTES) -> None:
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
    while True:
        page = _fill({**document, "examples": [_describe_example(each, report.labels, longest) for each in examples]})
        if len(page) <= most_bytes or longest == 1:
            return page
        longest = max(1, int(longest * min(0.9, (most_bytes / len(page)) ** 0.5)))  # bytes grow with the area


def _fill(document: Mapping[str, Any]) -> bytes:
    """Fill the template with a document. Its ``<`` are escaped, so that no name can end the script that holds it."""
    template = resources.files("segrnn.reports").joinpath("report.html").read_text(encoding="utf-8")
    return template.replace(_PLACE, json.dumps(document, allow_nan=False).replace("<", "\\u003c")).encode()


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
                "color": _hex(label.color),
                "iou": known(iou),
                "accuracy": known(accuracy),
                "pixels": int(pixels),
            }
            for label, iou, accuracy, pixels in zip(*columns, strict=True)
        ],
        "outcomes": [{"name": name, "color": _hex(color)} for name, color in OUTCOMES.items()],
        "counts": scores.counts.tolist(),
        "columns": list(scores.columns),
        "confusions": [confusion._asdict() for confusion in scores.confusions(_CONFUSIONS)],
    }


def _describe_example(example: Example, labels: LabelSpace, longest: int) -> dict[str, Any]:
    """Return an example as primitives, with its pictures as URIs."""
    sample = Sample(example.image, example.truth, example.name)
    small = Example.of(sample, example.prediction, example.miou, longest)
    height, width = small.truth.shape
    pixels = np.bincount(np.concatenate([example.truth, example.prediction], axis=None))
    return {
        "name": example.name,
        "miou": known(example.miou),
        "width": width,
        "height": height,
        "classes": [int(k) for k in np.argsort(-pixels, kind="stable") if pixels[k]],  # the largest first
        "layers": {
            "image": _photo(small.image),
            "truth": _mask(small.truth, labels),
            "prediction": _mask(small.prediction, labels),
            "errors": _png(outcomes(small.prediction, small.truth), np.array(list(OUTCOMES.values()), np.uint8)),
        },
    }


def _mask(mask: ByteArray, labels: LabelSpace) -> str:
    """Encode a mask in the palette of the dataset. Void is black, the colour after that of the last class."""
    classes = labels.num_classes
    return _png(np.minimum(mask, classes).astype(np.uint8), labels.palette[: classes + 1])


def _png(places: ByteArray, palette: ByteArray) -> str:
    picture = Image.fromarray(places)
    picture.putpalette(palette.tobytes())
    return _uri(picture, "png", {"optimize": True})


def _photo(image: ByteArray) -> str:
    return _uri(Image.fromarray(image), "jpeg", {"quality": 85})


def _uri(picture: Image.Image, format: str, options: Mapping[str, Any]) -> str:
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return f"data:image/{format};base64,{b64encode(buffer.getvalue()).decode()}"


def _hex(color: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
