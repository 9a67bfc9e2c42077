"""Labelling images with exported files."""

import torch
import torch.nn.functional as F
from torch import Tensor

from segrnn.export.runtime import OnnxModel
from segrnn.images import Preprocessing
from segrnn.images.bands import ImageArray


def label(model: OnnxModel, preprocessing: Preprocessing, image: ImageArray) -> Tensor:
    """Label every pixel of an image ``(H, W, C)`` with an ONNX file, at the image's own size: ``(H, W)`` uint8.

    Raises:
        ExportError: the file takes another size than that of the image.
    """
    pixels = preprocessing.pixels(image, preprocessing.factor(image))[None]
    given = pixels if model.metadata["input"] == "pixels" else preprocessing.normalize(pixels)
    output = torch.from_numpy(model(given.numpy()))
    size = image.shape[:2]
    if model.metadata["output"] == "labels":
        return F.interpolate(output[None].float(), size, mode="nearest-exact")[0, 0].to(torch.uint8)
    logits = output if output.shape[-2:] == size else F.interpolate(output, size, mode="bilinear")
    return logits[0].argmax(dim=0).to(torch.uint8)
