"""Export as a Gradio Space: a folder with a program that shows a page, on which a server labels pictures."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from huggingface_hub import SpaceCard, SpaceCardData

from segrnn.export.site import ExamplePicture, require_photos, write_examples, write_network
from segrnn.inference import Predictor
from segrnn.text import markdown

GRADIO = "6.31.0"
"""The version of Gradio with which the program was tested. A Space runs on it."""

_FILES = {
    "app.py.template": "app.py",  # a module of Python, but not one of this package: Gradio need not be installed
    "predict_onnx.py": "predict_onnx.py",
    "requirements.txt": "requirements.txt",
}
"""The files of this package, and their names in the folder."""


def write_space(predictor: Predictor, folder: Path, examples: Sequence[ExamplePicture] = ()) -> float:
    """Write a Space: ``app.py``, its requirements, the card, the network as an ONNX file and examples.

    Args:
        predictor: the network on the CPU, with its classes and its preprocessing.
        folder: an empty folder.
        examples: the pictures that the page offers.

    Shapes:
        The page labels pictures of any size, ``(H, W, 3)``.

    Returns:
        The largest difference of the file's logits to the network's, as `export_onnx` measures it.

    Raises:
        ExportError: the network does not take photographs, it can't be exported for images of any size, or the file
            computes something else.
    """
    require_photos(predictor.preprocessing)
    difference = write_network(predictor, folder / "model.onnx")
    files = resources.files("segrnn.export") / "space"
    for source, name in _FILES.items():
        (folder / name).write_bytes((files / source).read_bytes())
    write_examples(folder, examples)
    _card(predictor).save(folder / "README.md")
    return difference


def _card(predictor: Predictor) -> SpaceCard:
    data = SpaceCardData(
        title="Semantic segmentation",
        sdk="gradio",
        sdk_version=GRADIO,
        app_file="app.py",
        tags=["semantic-segmentation", "segrnn"],
    )
    labels = predictor.info.labels
    return SpaceCard(
        f"""---
{data.to_yaml()}
---

# Semantic segmentation of {markdown(labels.name)}

This page labels the pixels of pictures with these classes: {", ".join(map(markdown, labels.class_names))}.

`pip install -r requirements.txt` and `python app.py` run it on your own machine, which needs no internet for it.
To make a Space of this folder: `hf upload --repo-type=space <owner>/<name> .`
"""
    )
