"""Semantic segmentation with recurrent context.

An image goes through an encoder. A context module looks along the rows and columns of its features. A decoder paints
the mask. Importing this package defines names and does nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segrnn.inference import Predictor
    from segrnn.models import Segmenter, add_context

    load = Predictor.load

__version__ = "0.1.0"
__all__ = ["Predictor", "Segmenter", "add_context", "load"]


def __getattr__(name: str) -> Any:
    """Import the names that users need most on first use, because importing torch takes seconds."""
    if name == "load":
        return import_module("segrnn.inference").Predictor.load
    rooms = {"Predictor": "inference", "Segmenter": "models", "add_context": "models"}
    if name in rooms:
        return getattr(import_module(f"segrnn.{rooms[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
