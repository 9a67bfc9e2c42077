"""Running ONNX files."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from segrnn.errors import ExportError
from segrnn.export.packages import need


class OnnxModel:
    """An ONNX file in ONNX Runtime, on the CPU.

    Args:
        path: the file.

    Attributes:
        metadata: the strings in the file, by key.

    Raises:
        ExportError: the file can't be loaded, it can't be run (when called), or ONNX Runtime is missing.
    """

    def __init__(self, path: Path) -> None:
        runtime = need("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # errors are raised, so they need not be printed
        options.intra_op_num_threads = torch.get_num_threads()  # by default, it takes all cores
        self.path = path
        try:
            self.session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise self._failure("can't be loaded", error) from error
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map

    def __call__(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the file's graph on images ``(N, C, H, W)``, and return its only output."""
        try:
            return self.session.run(None, {self.session.get_inputs()[0].name: image})[0]
        except Exception as error:  # again, without a common base
            raise self._failure("can't be run", error) from error

    def black_image(self, height: int, width: int) -> npt.NDArray[Any]:
        """Return an image ``(1, C, H, W)`` of zeros, with the channels and the type that the graph takes."""
        taken = self.session.get_inputs()[0]
        return np.zeros((1, taken.shape[1], height, width), np.uint8 if taken.type == "tensor(uint8)" else np.float32)

    def _failure(self, what: str, error: Exception) -> ExportError:
        return ExportError(f"{self.path} {what}: {str(error).splitlines()[0][:300]}")
