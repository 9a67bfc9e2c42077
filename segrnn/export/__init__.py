"""Export of trained networks as files for other programs: ONNX, torch.export and int8, and pages for browsers.

A file is checked before it gets its name. The package needs ``pip install "segrnn[export]"``. ``python -m
segrnn.export`` is the command. Importing the package defines names and does nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segrnn.export.graph import Exported
    from segrnn.export.labelling import label
    from segrnn.export.metadata import describe
    from segrnn.export.onnx import export_onnx
    from segrnn.export.prediction import OnnxNetwork, as_onnx, load_onnx
    from segrnn.export.quantize import quantize_int8
    from segrnn.export.runtime import OnnxModel
    from segrnn.export.site import ExamplePicture, as_example, read_example, write_site
    from segrnn.export.space_folder import write_space
    from segrnn.export.torch_export import export_torch

__all__ = [
    "ExamplePicture",
    "Exported",
    "OnnxModel",
    "OnnxNetwork",
    "as_example",
    "as_onnx",
    "describe",
    "export_onnx",
    "export_torch",
    "label",
    "load_onnx",
    "quantize_int8",
    "read_example",
    "write_site",
    "write_space",
]

_FILES = {
    "ExamplePicture": "site",
    "Exported": "graph",
    "OnnxModel": "runtime",
    "OnnxNetwork": "prediction",
    "as_example": "site",
    "as_onnx": "prediction",
    "describe": "metadata",
    "export_onnx": "onnx",
    "export_torch": "torch_export",
    "label": "labelling",
    "load_onnx": "prediction",
    "quantize_int8": "quantize",
    "read_example": "site",
    "write_site": "site",
    "write_space": "space_folder",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    """Import a name on first use, because importing torch takes seconds and the command answers mistakes without it."""
    if name in _FILES:
        return getattr(import_module(f"segrnn.export.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
