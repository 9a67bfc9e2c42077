"""Prediction with ONNX Runtime: it computes the logits for a `segrnn.inference.Predictor`."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from segrnn.errors import ExportError, OutputError
from segrnn.export.check import check
from segrnn.export.graph import Exported
from segrnn.export.metadata import read_preprocessing
from segrnn.export.onnx import export_onnx
from segrnn.export.runtime import OnnxModel
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, digest_weights
from segrnn.labels import LabelSpace
from segrnn.models import Segmenter


class OnnxNetwork:
    """A network for a `Predictor`, computed by an ONNX file that gives logits.

    Args:
        file: the file. Its logits may be smaller than the image.
        preprocessing: the preprocessing of the image.
        upsample: a function that brings logits to the size of their image, as `Segmenter.upsample` does. None means
            that the logits have that size already.
    """

    def __init__(
        self,
        file: OnnxModel,
        preprocessing: Preprocessing,
        upsample: Callable[[Tensor, Sequence[int]], Tensor] | None = None,
    ) -> None:
        self.file, self.preprocessing = file, preprocessing
        self._upsample = upsample

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Compute the file's logits for an image ``(1, C, H, W)``.

        Raises:
            ExportError: the file takes images of one size only, and the image has another.
        """
        wanted = json.loads(self.file.metadata["size"]) if self.file.metadata["size"] != "dynamic" else None
        size = list(image.shape[-2:])
        if wanted not in (None, size):
            height, width = wanted
            raise ExportError(
                f"{self.file.path} takes only images of {height} x {width}, but this image is {size[0]} x {size[1]}: "
                f"cut larger images with windows.size=[{height},{width}], or export the network without size= to take "
                "images of any size"
            )
        if self.file.metadata["input"] == "pixels":
            image = self.preprocessing.denormalize(image)
        return torch.from_numpy(self.file(image.numpy()))

    def upsample(self, coarse: Tensor, size: Sequence[int]) -> Tensor:
        """Bring coarse logits to the size ``(H, W)`` of their image."""
        return coarse if self._upsample is None else self._upsample(coarse, size)


class Coarse(nn.Module):
    """A network without the upsampling at its end. Large images are upsampled a few classes at a time outside of it."""

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Compute the coarse logits of images ``(B, C, H, W)``."""
        return self.model.coarse_logits(image)


def load_onnx(path: Path) -> tuple[OnnxNetwork, ModelInfo]:
    """Load a file of ``segrnn export format=onnx`` for prediction.

    Args:
        path: the file.

    Raises:
        ExportError: the file is missing, is damaged, was not written by segrnn, or gives labels instead of logits.
    """
    if not path.is_file():
        raise ExportError(f"{path} does not exist")
    file = OnnxModel(path)
    try:
        labels = LabelSpace.from_dict(json.loads(file.metadata["labels"]))
        info = ModelInfo({}, labels, read_preprocessing(file.metadata), provenance={"onnx": path.name})
        output = file.metadata["output"]
    except (KeyError, ValueError, TypeError) as error:
        raise ExportError(
            f"{path} does not contain its classes and preprocessing ({error}): write it with segrnn export"
        ) from error
    if output != "logits":
        raise ExportError(f"{path} returns {output}, but prediction needs logits: export the network with argmax=false")
    return OnnxNetwork(file, info.preprocessing), info


def as_onnx(model: Segmenter, preprocessing: Preprocessing, path: Path, say: Callable[[str], None]) -> OnnxNetwork:
    """Let ONNX Runtime compute a network, from an ONNX file beside the network's checkpoint.

    The file is kept for the next time, unless it can't be written there. It is compared with the network when it is
    written, and each time that it is used again.

    Args:
        model: the network, on the CPU.
        preprocessing: the preprocessing of an image before the network.
        path: the network's checkpoint or bundle. Its digest is part of the file's name.
        say: gets a line for each thing that is done with the file.

    Raises:
        ExportError: the network can't be exported for images of any size, or a package is missing.
    """
    exported = Exported(Coarse(model), None, argmax=False, channels=preprocessing.channels)
    stem = path.name if path.is_dir() else path.stem
    kept = path.with_name(f"{stem}.{digest_weights(path)[:12]}.onnx")
    if kept.exists():
        try:
            file = OnnxModel(kept)
            check(exported, lambda image: torch.from_numpy(file(image.numpy())), None, any_batch=False)
            return OnnxNetwork(file, preprocessing, model.upsample)
        except ExportError as error:
            say(f"{error}; the file is written again")
    say(f"exporting the network for ONNX Runtime; the file is kept for the next time: {kept}")
    try:
        _export(exported, kept)
        return OnnxNetwork(OnnxModel(kept), preprocessing, model.upsample)
    except OutputError as error:
        say(f"{error}; the export is not kept")
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = Path(folder) / kept.name
        _export(exported, elsewhere)
        return OnnxNetwork(OnnxModel(elsewhere), preprocessing, model.upsample)


def _export(exported: Exported, path: Path) -> None:
    try:
        export_onnx(exported, path, None, {})
    except ExportError as error:
        raise ExportError(f"{error}\nruntime=torch runs the network without ONNX") from error
