"""What the pages share: a file that a browser shows without an internet connection, and its pictures."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib import resources
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from segrnn.labels.space import ByteArray
from segrnn.reports.pictures import OUTCOMES, outcomes

MOST_BYTES = 15_000_000
"""The most bytes of a page. Most mail servers accept a file of this size."""

_DOCUMENT = "{{report}}"
"""The text in a template that is replaced by the JSON."""

_PARTS = {
    "{{head}}": ("reports/head.html",),
    "{{style}}": ("theme.css", "reports/page.css"),
    "{{script}}": ("reports/page.js",),
}
"""The texts in a template that are replaced by the files that all pages share."""


def fit_page(
    template: str,
    document: Mapping[str, Any],
    describe_examples: Callable[[int], list[dict[str, Any]]],
    longest: int,
    most_bytes: int,
) -> bytes:
    """Fill a template. Its pictures are made smaller until the page fits.

    Args:
        template: the name of the template's file.
        document: the content of the page without its pictures, as primitives.
        describe_examples: returns the pictures with their URIs, for the longest side that a picture may have.
        longest: the longest side of a picture to begin with.
        most_bytes: the most bytes of the page.
    """
    while True:
        page = _fill(template, {**document, "examples": describe_examples(longest)})
        if len(page) <= most_bytes or longest == 1:
            return page
        longest = max(1, int(longest * min(0.9, (most_bytes / len(page)) ** 0.5)))  # bytes grow with the area


def _fill(template: str, document: Mapping[str, Any]) -> bytes:
    """Fill a template with a document. Its ``<`` are escaped, so that no name can end the script that holds it."""
    package = resources.files("segrnn")
    page = (package / "reports" / template).read_text(encoding="utf-8")
    for place, names in _PARTS.items():
        page = page.replace(place, "".join((package / name).read_text(encoding="utf-8") for name in names))
    # the document comes last, because a name in it may be one of these texts
    return page.replace(_DOCUMENT, json.dumps(document, allow_nan=False).replace("<", "\\u003c")).encode()


def classes_in(*masks: ByteArray) -> list[int]:
    """Return the train ids in masks ``(h, w)``, those with the most pixels first."""
    pixels = np.bincount(np.concatenate(masks, axis=None))
    return [int(k) for k in np.argsort(-pixels, kind="stable") if pixels[k]]


def mask_uri(mask: ByteArray, palette: ByteArray) -> str:
    """Return a mask ``(h, w)`` in the colours of a palette ``(K + 1, 3)``. Void gets the last colour."""
    return _png(np.minimum(mask, len(palette) - 1).astype(np.uint8), palette)


def errors_uri(prediction: ByteArray, truth: ByteArray) -> str:
    """Return a picture of the errors in a mask ``(h, w)``."""
    return _png(outcomes(prediction, truth), np.array(list(OUTCOMES.values()), np.uint8))


def photo_uri(image: ByteArray) -> str:
    """Return a picture ``(h, w, 3)`` as a JPEG."""
    return _uri(Image.fromarray(image), "jpeg", {"quality": 85})


def _png(places: ByteArray, palette: ByteArray) -> str:
    picture = Image.fromarray(places)
    picture.putpalette(palette.tobytes())
    return _uri(picture, "png", {"optimize": True})


def _uri(picture: Image.Image, format: str, options: Mapping[str, Any]) -> str:
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return f"data:image/{format};base64,{b64encode(buffer.getvalue()).decode()}"
