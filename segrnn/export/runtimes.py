"""Ways to run a network on the CPU, for comparison.

Each way loads the network and returns a function that labels one image of random pixels.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from segrnn.export.graph import Exported, Size
from segrnn.export.runtime import OnnxModel
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
    model, image = OnnxModel(file), _pixels(size).numpy()
    return lambda: model(image)


def _torch(model: Segmenter, info: ModelInfo, size: Size) -> Work:
    exported = Exported(model, info.preprocessing, argmax=True)
    image = _pixels(size)

    def run() -> None:
        with torch.inference_mode():
            exported(image)

    return run


def _pixels(size: Size) -> torch.Tensor:
    return torch.randint(256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
