"""Export as ONNX files."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from segrnn.atomic import write_atomically
from segrnn.errors import ExportError
from segrnn.export.check import check
from segrnn.export.graph import Exported, Size
from segrnn.export.metadata import describe_graph
from segrnn.export.operators import translate
from segrnn.export.packages import need
from segrnn.export.recurrence import AsOperators
from segrnn.export.runtime import OnnxModel
from segrnn.export.trace import quiet, refusal, trace

LARGEST = 2**31 - 2**24
"""The largest number of bytes of weights. An ONNX file is a protocol buffer of at most 2 GiB, and the graph itself also
needs some of them."""


def export_onnx(exported: Exported, path: Path, size: Size | None, metadata: Mapping[str, str]) -> float:
    """Write a network as one ONNX file, which gets its name only if it computes the same as the network.

    Args:
        exported: the network, on the CPU.
        path: the file. Its input is called ``image``, its output ``logits`` or ``labels``.
        size: height and width of the only images that the file takes, one at a time. None means any batch of any size.
        metadata: strings for the file, besides those of `segrnn.export.metadata.describe_graph`.

    Returns:
        The largest difference to the network, as `segrnn.export.check.check` measures it.

    Raises:
        ExportError: the network can't be exported, the file computes something else, or a package is missing.
        OutputError: the file can't be written.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        need(name)
    if sum(tensor.nbytes for tensor in exported.state_dict().values()) > LARGEST:
        raise ExportError("the network's weights don't fit into an ONNX file, which can hold 2 GiB")
    differences = []

    def write(temporary: Path) -> None:
        model = _convert(exported, size)
        model.model.metadata_props.update({**metadata, **describe_graph(exported, size)})
        model.save(temporary, external_data=False)
        runtime = OnnxModel(temporary)
        differences.append(check(exported, lambda image: torch.from_numpy(runtime(image.numpy())), size, size is None))

    write_atomically(path, write)
    return differences[0]


def _convert(exported: Exported, size: Size | None) -> Any:
    program = trace(exported, size, size is None, AsOperators())
    fold = partial(need("onnxscript.optimizer").fold_constants, input_size_limit=LARGEST, output_size_limit=LARGEST)
    try:
        with quiet():
            converted = torch.onnx.export(
                program,
                dynamo=True,
                input_names=["image"],
                output_names=["labels" if exported.argmax else "logits"],
                custom_translation_table={torch.ops.segrnn.recurrence.default: translate},
                verbose=False,
            )
            assert converted is not None
            fold(converted.model)  # folds the reordering of weights, of any size: quantisation needs constant weights
    except Exception as error:  # the exporter can raise anything
        raise refusal(error, size) from error
    return converted
