"""What a program must know about an exported network, as strings inside the file."""

import json
from collections.abc import Mapping
from dataclasses import fields

from segrnn.export.graph import Exported, Size
from segrnn.images import Preprocessing
from segrnn.labels import LabelSpace


def describe(labels: LabelSpace, preprocessing: Preprocessing) -> dict[str, str]:
    """Return the classes and the preprocessing of images, as JSON by key.

    ``classes`` and ``colors`` are in the order of train ids. ``labels`` has the ids of label files, too. ``mean`` and
    ``std`` are for values in 0 to 1, where ``white`` counts as 1. ``scale`` and ``base_size`` say how an image is
    resized, as in `Preprocessing`.
    """
    metadata = {
        "labels": labels.to_dict(),
        "dataset": labels.name,
        "classes": list(labels.class_names),
        "colors": [list(label.color) for label in labels.classes],
        **preprocessing.to_dict(),
    }
    return {key: json.dumps(value) for key, value in metadata.items()}


def read_preprocessing(metadata: Mapping[str, str]) -> Preprocessing:
    """Return the preprocessing that `describe` has written.

    Raises:
        KeyError: a key is missing.
        ValueError: a value is out of range, or is not JSON.
    """
    return Preprocessing.from_dict({field.name: json.loads(metadata[field.name]) for field in fields(Preprocessing)})


def describe_graph(exported: Exported, size: Size | None) -> dict[str, str]:
    """Return the graph's ``input`` (pixels or normalized), ``output`` (labels or logits) and ``size``, as strings."""
    return {
        "input": "normalized" if exported.preprocessing is None else "pixels",
        "output": "labels" if exported.argmax else "logits",
        "size": "dynamic" if size is None else json.dumps(list(size)),
    }
