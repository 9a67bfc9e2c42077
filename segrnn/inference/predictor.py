"""From an image to its mask."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from segrnn.inference.looks import Look, Part, average, winner
from segrnn.inference.windows import Windows, blend
from segrnn.labels.space import ByteArray
from segrnn.models import ModelInfo
from segrnn.models.modes import evaluating

MOST_WHOLE = 2**24
"""Pixels of the largest image that is looked at as a whole by itself: usual networks take 150 to 300 bytes for each."""

_WINDOW = 1024
_STRIDE = 768
_HELD = 2**29
"""Probabilities that may be held at a time, 2 GiB of them, where windows are chosen by themselves."""


class Network(Protocol):
    """What a `Predictor` asks of a network: a `Segmenter` has it."""

    @property
    def info(self) -> ModelInfo:
        """The classes and the preprocessing."""

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Logits of ``(1, 3, H, W)``, at any size."""

    def upsample(self, coarse: Tensor, size: Sequence[int]) -> Tensor:
        """Bring coarse logits, all of them or those of some classes, to the size ``(H, W)`` of their image."""


class Predictor:
    """Labels images of any size, with memory bounded by the image and not by classes times image.

    Validation, evaluation and prediction all come through here, one image at a time: what an image's mask is can't
    depend on which others shared its batch, since kernels round differently for different batch sizes.

    Several looks at an image are averaged in probability, not in logits, which have no common scale.

    Args:
        model: with its `info`. A module is used in evaluation mode, and is afterwards in the mode that it was in.
        scales: sizes at which the network looks at the image, or at each window, relative to the one that its
            preprocessing wants.
        flip: whether it also looks at the mirrored image, at each scale.
        windows: where to look; None looks at the whole image, or, where it would be too large for that, in windows that
            are chosen by `windows_for`.

    Raises:
        ValueError: no scale, or one that is not above 0.

    Example:
        >>> import numpy as np
        >>> from segrnn.datasets import Preprocessing
        >>> from segrnn.labels import CAMVID
        >>> from segrnn.models import FCN, ModelInfo, Segmenter
        >>> model = Segmenter(FCN("resnet18", classes=11, width=8))
        >>> model.info = ModelInfo({}, CAMVID, Preprocessing((0.5,) * 3, (0.5,) * 3))
        >>> Predictor(model, flip=True).mask(np.zeros((45, 61, 3), np.uint8)).shape
        torch.Size([45, 61])
    """

    def __init__(
        self,
        model: Network,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        windows: Windows | None = None,
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be numbers above 0, got {list(scales)}")
        self.model, self.windows = model, windows
        self.views = [(scale, flipped) for scale in scales for flipped in ((False, True) if flip else (False,))]
        self.preprocessing = model.info.preprocessing

    @torch.inference_mode()
    def mask(self, image: ByteArray) -> Tensor:
        """Label every pixel of an image ``(H, W, 3)`` at the image's own size.

        Returns:
            Train ids ``(H, W)``, uint8, on the model's device.
        """
        look = self._only_look(image)
        return winner(look.parts() if look else self.probabilities(image), image.shape[:2])[0]

    @torch.inference_mode()
    def mask_with_confidence(self, image: ByteArray) -> tuple[Tensor, Tensor]:
        """The mask of `mask`, and the probability of each pixel's class: ``(H, W)`` uint8 and float32."""
        look = self._only_look(image)
        if look is None:
            return winner(self.probabilities(image), image.shape[:2])
        mask, best = winner(look.parts(), image.shape[:2])  # of logits: probabilities have more ties
        return mask, (best - look.log_sum).exp_().clamp_(max=1)

    @torch.inference_mode()
    def uncertainty(self, image: ByteArray) -> Tensor:
        """The entropy of each pixel's probabilities, ``(H, W)``: 0 is sure, 1 has no idea."""
        entropy = torch.zeros(image.shape[:2], device=self.device)
        for part in self.probabilities(image):
            rows = slice(part.first_row, part.first_row + part.values.shape[1])
            entropy[rows] -= torch.xlogy(part.values, part.values).sum(dim=0)
        return entropy.div_(torch.tensor(float(max(2, self._classes))).log()).clamp_(0, 1)

    @torch.inference_mode()
    def probabilities(self, image: ByteArray) -> Iterator[Part]:
        """The probabilities of all classes: some classes for all rows, or all classes for some rows, at a time."""
        factor = self.preprocessing.factor(image)
        windows = self.windows_for(image)
        if windows is None:
            yield from average(self._looks(image, factor))
        else:
            shape = (self._classes, image.shape[0], image.shape[1])
            yield from blend(windows, shape, self.device, lambda ys, xs: average(self._looks(image[ys, xs], factor)))

    def windows_for(self, image: ByteArray) -> Windows | None:
        """Return the windows in which an image is looked at; None looks at the whole image.

        They are those of the caller. Without any, an image of more than `MOST_WHOLE` pixels, as the network would see
        it, gets windows of 1024 x 1024 every 768, or lower ones where there are very many classes.
        """
        height, width = image.shape[:2]
        zoom = self.preprocessing.factor(image) * max(scale for scale, _ in self.views)
        if self.windows is not None or height * width * zoom**2 <= MOST_WHOLE:
            return self.windows
        lower = min(1.0, _HELD * zoom / (self._classes * _WINDOW * width))
        size, stride = ((max(1, round(side * lower / zoom)), max(1, round(side / zoom))) for side in (_WINDOW, _STRIDE))
        return Windows(size, stride)

    def _only_look(self, image: ByteArray) -> Look | None:
        """The look that is all there is to a mask, where there is but one."""
        if len(self.views) > 1 or self.windows_for(image) is not None:
            return None
        return self._looks(image, self.preprocessing.factor(image))[0]

    def _looks(self, image: ByteArray, factor: float) -> list[Look]:
        return [self._look(image, factor * scale, flipped) for scale, flipped in self.views]

    def _look(self, image: ByteArray, factor: float, flipped: bool) -> Look:
        pixels = self.preprocessing.resize(image, factor)[None].to(self._place)
        mode = evaluating(self.model) if isinstance(self.model, nn.Module) else nullcontext()
        # full precision also inside a mixed-precision training loop, so that a checkpoint's score can be reproduced
        with mode, torch.autocast(self.device.type, enabled=False):
            coarse = self.model.coarse_logits(pixels.flip(-1) if flipped else pixels).contiguous()
        return Look(self.model.upsample, coarse, pixels.shape[-2:], image.shape[:2], flipped)

    @property
    def _classes(self) -> int:
        return self.model.info.labels.num_classes

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._place.device

    @property
    def _place(self) -> Tensor:
        """A tensor that is where images are wanted, and of the type in which they are."""
        return next(self.model.parameters()) if isinstance(self.model, nn.Module) else torch.empty(0)
