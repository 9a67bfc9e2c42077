"""Prediction of a whole image at once."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrnn.datasets import Preprocessing
from segrnn.labels.space import ByteArray


def predict_mask(model: nn.Module, preprocessing: Preprocessing, image: ByteArray, device: torch.device) -> Tensor:
    """Label every pixel of an image at the image's own size.

    Validation, evaluation and prediction all come through here or through `predict_with_confidence`, one image at a
    time: what an image's mask is can't depend on which others shared its batch, since kernels round differently for
    different batch sizes.

    Args:
        model: maps ``(1, 3, h, w)`` to logits ``(1, K, h, w)``.
        preprocessing: what the model was trained with.
        image: ``(H, W, 3)`` uint8.
        device: where the model is.

    Returns:
        Train ids ``(H, W)``, uint8, on the device.
    """
    return _predict_logits(model, preprocessing, image, device).argmax(dim=0).to(torch.uint8)


def predict_with_confidence(
    model: nn.Module, preprocessing: Preprocessing, image: ByteArray, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The mask of `predict_mask`, and the probability of each pixel's class: ``(H, W)`` uint8 and float32."""
    logits = _predict_logits(model, preprocessing, image, device)
    best, mask = logits.max(dim=0)
    return mask.to(torch.uint8), (best - logits.logsumexp(dim=0)).exp_().clamp_(max=1)


@torch.inference_mode()
def _predict_logits(model: nn.Module, preprocessing: Preprocessing, image: ByteArray, device: torch.device) -> Tensor:
    """Logits ``(K, H, W)`` at the image's own size."""
    training = model.training
    model.eval()
    # full precision also inside a mixed-precision training loop, so that a checkpoint's score can be reproduced
    with torch.autocast(device.type, enabled=False):
        logits = model(preprocessing(image)[None].to(device, next(model.parameters()).dtype))
        if logits.shape[-2:] != image.shape[:2]:
            logits = F.interpolate(logits, image.shape[:2], mode="bilinear")
    model.train(training)
    return logits[0]
