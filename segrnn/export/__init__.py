"""Export of trained networks as files for other programs: ONNX, torch.export and int8.

A file is checked before it gets its name. The package needs ``pip install "segrnn[export]"``. A .pt2 file for any size
contains an operator that is registered when this package is imported.
"""

from segrnn.export.graph import Exported
from segrnn.export.labelling import label
from segrnn.export.metadata import describe
from segrnn.export.onnx import export_onnx
from segrnn.export.prediction import OnnxNetwork, as_onnx, load_onnx
from segrnn.export.quantize import quantize_int8
from segrnn.export.runtime import OnnxModel
from segrnn.export.torch_export import export_torch

__all__ = [
    "Exported",
    "OnnxModel",
    "OnnxNetwork",
    "as_onnx",
    "describe",
    "export_onnx",
    "export_torch",
    "label",
    "load_onnx",
    "quantize_int8",
]
