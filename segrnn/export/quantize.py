"""Quantisation of ONNX files to 8-bit integers."""

import json
from pathlib import Path

from segrnn.atomic import write_atomically
from segrnn.errors import ExportError
from segrnn.export.packages import need
from segrnn.export.runtime import OnnxModel
from segrnn.export.trace import TRACED, quiet

OPERATORS = ["Conv", "MatMul", "LSTM"]
"""The operators that become 8-bit. ONNX Runtime has no 8-bit GRU or RNN: these stay as they are."""


def quantize_int8(source: Path, path: Path) -> None:
    """Write an ONNX file with 8-bit weights. It quantises activations as it runs, by each map's own range.

    Nothing is calibrated, and no accuracy is promised, so evaluate the file. On CPUs without 8-bit dot products, it may
    be slower than the source.

    Args:
        source: a file of `segrnn.export.export_onnx`. Its metadata is kept.
        path: the new file.

    Raises:
        ExportError: the source can't be read or quantised, the result can't be run, or a package is missing.
        OutputError: the file can't be written.
    """
    quantization = need("onnxruntime.quantization")
    if "size" not in OnnxModel(source).metadata:
        raise ExportError(f"{source} was not written by export_onnx: its metadata does not describe its input")

    def write(temporary: Path) -> None:
        try:
            with quiet():
                quantization.quantize_dynamic(source, temporary, op_types_to_quantize=OPERATORS)
        except Exception as error:  # the quantiser's errors have no common base
            raise ExportError(f"{source} can't be quantised: {str(error).splitlines()[0][:300]}") from error
        _try(OnnxModel(temporary))

    write_atomically(path, write)


def _try(model: OnnxModel) -> None:
    """Run a file once, because the runtime notices some missing operators only when it runs them."""
    size = model.metadata["size"]
    height, width = TRACED if size == "dynamic" else json.loads(size)
    model(model.black_image(height, width))
