"""Prediction: a trained network makes a mask from an image of any size."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, Self, overload

import torch
from huggingface_hub import HfApi
from torch import Tensor, nn

from segrnn.atomic import new_folder
from segrnn.images.bands import ImageArray
from segrnn.images.conversion import Picture, as_array
from segrnn.inference.bundle import write_bundle
from segrnn.inference.info import ModelInfo
from segrnn.inference.sources import locate
from segrnn.inference.trained import load_trained
from segrnn.inference.views import Part, View, average, average_networks, winner
from segrnn.inference.windows import Windows, blend
from segrnn.labels.space import ByteArray
from segrnn.models import Segmenter
from segrnn.models.modes import evaluating
from segrnn.ops.precision import single

MOST_WHOLE = 2**24
"""The number of pixels up to which an image is processed as a whole by default: usual networks take 150 to 300 bytes
for each pixel."""

SINGLE = "32-true"
PRECISIONS = {SINGLE: None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""The types that convolutions and products of matrices compute in, by Lightning's names of precisions. None stands for
the type of the weights."""

_WINDOW = 1024
_STRIDE = 768
_HELD = 2**29
"""The number of probabilities (2 GiB) that may be in memory at a time if windows are chosen automatically."""


class Network(Protocol):
    """The methods that a `Predictor` needs of a network. A `Segmenter` has them."""

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Compute the logits of an image ``(1, C, H, W)``. The logits may have any size."""

    def upsample(self, coarse: Tensor, size: Sequence[int]) -> Tensor:
        """Bring coarse logits ``(1, K, h, w)`` of all or some classes to the size ``(H, W)`` of their image."""


class Predictor:
    """A trained network with everything that it needs to label images: its classes, its preprocessing and its origin.

    Images may have any size. The memory in use grows with the size of the image, not with that size times the number of
    classes. Validation, evaluation and prediction all use this class, one image at a time. In a batch, the mask of an
    image could depend on the other images, because kernels round differently for different batch sizes.

    Several views of an image are averaged as probabilities. Logits are not averaged: they have no common scale.

    Args:
        network: the network that makes logits. A module is used in evaluation mode and then put back into its former
            mode.
        info: the classes, the preprocessing and the provenance.
        scales: the sizes at which the network sees the image, or each window, relative to the size after
            preprocessing.
        flip: whether the network also sees the mirrored image, at each scale.
        windows: the windows in which the network sees an image. With None it sees the whole image, or windows that
            `windows_for` chooses if the image is too large.
        precision: one of `PRECISIONS`. Recurrences, resizing and probabilities are in single precision with all of
            them.

    Raises:
        ValueError: there is no scale, or a scale is not above 0, or the precision does not exist.

    Example:
        >>> from segrnn.images import Preprocessing
        >>> from segrnn.labels import CAMVID
        >>> from segrnn.models import FCN
        >>> network = Segmenter(FCN("resnet18", classes=11, width=8))
        >>> predictor = Predictor(network, ModelInfo({}, CAMVID, Preprocessing((0.5,) * 3, (0.5,) * 3)), flip=True)
        >>> predictor(np.zeros((45, 61, 3), np.uint8)).shape
        (45, 61)
    """

    def __init__(
        self,
        network: Network,
        info: ModelInfo,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        windows: Windows | None = None,
        precision: str = SINGLE,
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be numbers above 0, got {list(scales)}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision}")
        self.network, self.info, self.windows = network, info, windows
        self.precision = precision
        self.networks: Sequence[Network] = (network,)
        self.views = [(scale, flipped) for scale in scales for flipped in ((False, True) if flip else (False,))]
        self.preprocessing = info.preprocessing

    @classmethod
    def load(cls, source: str | Path, allow: Sequence[str] = ()) -> Self:
        """Load a trained network, in evaluation mode on the CPU, without running code that its file chooses.

        Args:
            source: a checkpoint of a run, the folder of a bundle, or an address that `locate` takes, such as
                ``hf://owner/name``.
            allow: import paths of your own code that the file may name, ``my_package.`` for all of a package.

        Raises:
            CheckpointError: `source` does not exist, is damaged or was changed, or asks for more than a network.
        """
        return cls(*load_trained(locate(str(source)), allow))

    def save(self, folder: str | Path) -> None:
        """Write a bundle for `load`: ``model.safetensors``, ``config.json`` and ``README.md``, the model card.

        Args:
            folder: a new or empty folder. If writing fails, no incomplete folder is left behind.

        Raises:
            OutputError: the folder is not empty, or can't be written.
            ValueError: the network is not a `Segmenter` but an exported file.
        """
        with new_folder(Path(folder)) as draft:
            write_bundle(self.segmenter, self.info, draft)

    def push_to_hub(self, name: str, private: bool = False) -> str:
        """Upload a bundle to the Hugging Face hub, as the user of ``hf auth login``.

        Args:
            name: the model's name, ``owner/name``. The model is created if it does not exist.
            private: whether a model that is created can be seen by its owner only.

        Returns:
            The address of the upload.

        Raises:
            ValueError: the network is not a `Segmenter` but an exported file.
        """
        segmenter, hub = self.segmenter, HfApi()
        hub.create_repo(name, private=private, exist_ok=True)
        with TemporaryDirectory() as folder:
            write_bundle(segmenter, self.info, Path(folder))
            return str(hub.upload_folder(repo_id=name, folder_path=folder))

    @property
    def segmenter(self) -> Segmenter:
        """Return the network, if torch computes it.

        Raises:
            ValueError: the network is not a `Segmenter`; for example, ONNX Runtime computes it.
        """
        if not isinstance(self.network, Segmenter):
            raise ValueError(f"this needs a Segmenter, but the network is of the class {type(self.network).__name__}")
        return self.network

    @overload
    def __call__(self, image: Picture) -> ByteArray: ...
    @overload
    def __call__(self, image: list[Picture]) -> list[ByteArray]: ...

    def __call__(self, image: Picture | list[Picture]) -> ByteArray | list[ByteArray]:
        """Label every pixel of an image, or of each image in a list.

        Args:
            image: a path, a PIL image, an array ``(H, W, C)`` or ``(H, W)``, or a tensor ``(C, H, W)``, of any size; or
                a list of them. Values are bytes, unless the network was trained with another depth.

        Returns:
            Train ids ``(H, W)``, uint8, or a list of them for a list. ``info.labels`` has their names and colours.

        Raises:
            DataError: the file can't be read, or the array is not an image.
        """
        if isinstance(image, list):
            return [self(each) for each in image]
        return self.mask(as_array(image, self.preprocessing.bands)).cpu().numpy()

    def in_precision(self, precision: str) -> Self:
        """Return a predictor with the same networks that computes in another precision, one of `PRECISIONS`."""
        other = copy.copy(self)
        other.precision = precision
        return other

    @torch.inference_mode()
    def mask(self, image: ImageArray) -> Tensor:
        """Label every pixel of an image ``(H, W, C)`` at the image's own size.

        Returns:
            Train ids ``(H, W)``, uint8, on the network's device.
        """
        view = self._single_view(image)
        return winner(view.parts() if view else self.probabilities(image), image.shape[:2])[0]

    @torch.inference_mode()
    def mask_with_logits(self, image: ImageArray, most: int) -> tuple[Tensor, Tensor | None]:
        """Return the mask, and the logits at the image's size, ``(K, H, W)``.

        Args:
            image: ``(H, W, C)``.
            most: the most logits that are kept in memory at a time. For a larger image, or if probabilities of several
                views are averaged, there is None in place of the logits. The mask is that of `mask` in any case.
        """
        view, (height, width) = self._single_view(image), image.shape[:2]
        if view is None or self._classes * height * width > most:
            return winner(view.parts() if view else self.probabilities(image), (height, width))[0], None
        parts = list(view.parts())
        return winner(iter(parts), (height, width))[0], torch.cat([part.values for part in parts])

    @torch.inference_mode()
    def mask_with_confidence(self, image: ImageArray) -> tuple[Tensor, Tensor]:
        """Return the mask and the probability of each pixel's class.

        Returns:
            The mask as `mask` returns it, uint8, and the probabilities, float32, ``(H, W)`` each.
        """
        view = self._single_view(image)
        if view is None:
            return winner(self.probabilities(image), image.shape[:2])
        mask, best = winner(view.parts(), image.shape[:2])  # the winner by logits: probabilities have more ties
        return mask, (best - view.log_sum).exp_().clamp_(max=1)

    @torch.inference_mode()
    def uncertainty(self, image: ImageArray) -> Tensor:
        """Return the entropy of each pixel's probabilities, ``(H, W)``: 0 if it is sure, 1 if it has no idea."""
        entropy = torch.zeros(image.shape[:2], device=self.device)
        for part in self.probabilities(image):
            rows = slice(part.first_row, part.first_row + part.values.shape[1])
            entropy[rows] -= torch.xlogy(part.values, part.values).sum(dim=0)
        return entropy.div_(torch.tensor(float(max(2, self._classes))).log()).clamp_(0, 1)

    @torch.inference_mode()
    def probabilities(self, image: ImageArray) -> Iterator[Part]:
        """Yield the probabilities of all classes, some classes for all rows or all classes for some rows at a time.

        A part holds values ``(k, h, W)``, see `Part`.
        """
        factor = self.preprocessing.factor(image)
        windows = self.windows_for(image)
        if windows is None:
            yield from self._average(image, factor)
        else:
            shape = (self._classes, image.shape[0], image.shape[1])
            yield from blend(windows, shape, self.device, lambda ys, xs: self._average(image[ys, xs], factor))

    def windows_for(self, image: ImageArray) -> Windows | None:
        """Return the windows in which the network sees an image ``(H, W, C)``, or None for the whole image.

        The caller's windows come first. Without them, an image gets windows of 1024 x 1024 every 768 pixels if it has
        more than `MOST_WHOLE` pixels at the size that the network sees. The windows are lower if there are very many
        classes.
        """
        height, width = image.shape[:2]
        zoom = self.preprocessing.factor(image) * max(scale for scale, _ in self.views)
        if self.windows is not None or height * width * zoom**2 <= MOST_WHOLE:
            return self.windows
        lower = min(1.0, _HELD * zoom / (self._classes * _WINDOW * width))
        size, stride = ((max(1, round(side * lower / zoom)), max(1, round(side / zoom))) for side in (_WINDOW, _STRIDE))
        return Windows(size, stride)

    def _single_view(self, image: ImageArray) -> View | None:
        """Return the single view, or None if several must be averaged."""
        if len(self.networks) * len(self.views) > 1 or self.windows_for(image) is not None:
            return None
        return self._see_all(self.network, image, self.preprocessing.factor(image))[0]

    def _average(self, image: ImageArray, factor: float) -> Iterator[Part]:
        """Yield the mean of the probabilities of all networks, each of them averaged over its views."""
        return average_networks([average(self._see_all(network, image, factor)) for network in self.networks])

    def _see_all(self, network: Network, image: ImageArray, factor: float) -> list[View]:
        return [self._see(network, image, factor * scale, flipped) for scale, flipped in self.views]

    def _see(self, network: Network, image: ImageArray, factor: float, flipped: bool) -> View:
        pixels = self.preprocessing.resize(image, factor)[None].to(self._place)
        mode = evaluating(network) if isinstance(network, nn.Module) else nullcontext()
        with mode, self._autocast():
            coarse = single(network.coarse_logits(pixels.flip(-1) if flipped else pixels)).contiguous()
        return View(network.upsample, coarse, pixels.shape[-2:], image.shape[:2], flipped)

    def _autocast(self) -> AbstractContextManager[object]:
        # in full precision even inside a mixed-precision training loop, so that a checkpoint's score can be reproduced
        dtype = PRECISIONS[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    @property
    def _classes(self) -> int:
        return self.info.labels.num_classes

    @property
    def device(self) -> torch.device:
        """Return the device of the network."""
        return self._place.device

    @property
    def _place(self) -> Tensor:
        """Return a tensor with the device and the type that the network expects of images."""
        return next(self.network.parameters()) if isinstance(self.network, nn.Module) else torch.empty(0)
