"""Ways to run a network on the CPU, for comparison.

Each way loads the network and returns a function that labels one image of random pixels.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from segrnn.export.graph import Exported, Size
from segrnn.export.metadata import read_preprocessing
from segrnn.export.runtime import OnnxModel
from segrnn.images import BYTE, Preprocessing
from segrnn.inference import ModelInfo, find_fusions, load_trained, prepare
from segrnn.memory import keep_freed_memory
from segrnn.models import Segmenter

Work = Callable[[], object]


def eager(bundle: Path, allow: Sequence[str], size: Size) -> Work:
    """Load a network for PyTorch, which runs it operation by operation."""
    return _torch(*load_trained(bundle, allow), size)


def prepared(bundle: Path, allow: Sequence[str], size: Size) -> Work:
    """Load a network for PyTorch as `predict` and `evaluate` do: convolutions are fused, and freed memory is kept."""
    keep_freed_memory()
    model, info = load_trained(bundle, allow)
    return _torch(prepare(model, find_fusions(model)), info, size)


def compiled(bundle: Path, allow: Sequence[str], size: Size) -> Work:
    """Load a network for PyTorch with encoder and decoder compiled, as ``trainer.compile=true`` does.

    Recurrences are not compiled: they have kernels of their own.
    """
    model, info = load_trained(bundle, allow)
    for part in (model.encoder, model.decoder):
        part.compile()
    return _torch(model, info, size)


def onnx(file: Path, size: Size) -> Work:
    """Load a file for ONNX Runtime."""
    model = OnnxModel(file)
    image = _pixels(read_preprocessing(model.metadata), size).numpy()
    return lambda: model(image)


def _torch(model: Segmenter, info: ModelInfo, size: Size) -> Work:
    exported = Exported(model, info.preprocessing, argmax=True)
    image = _pixels(info.preprocessing, size)

    def run() -> None:
        with torch.inference_mode():
            exported(image)

    return run


def _pixels(preprocessing: Preprocessing, size: Size) -> torch.Tensor:
    shape = (1, preprocessing.channels, *size)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return pixels if preprocessing.white == BYTE else pixels * (preprocessing.white / BYTE)
