"""The images that a dashboard shows of a prediction."""

from pathlib import Path

from segrnn.datasets import Sample
from segrnn.images.bands import ImageArray
from segrnn.inference import Ensemble
from segrnn.labels import LabelSpace
from segrnn.reports import write_sheet

_COUNT = 8
"""The number of images that are shown."""


class Showcase:
    """The first images of a prediction with their masks, on one picture.

    Args:
        folder: the folder for ``masks.png``. It is made when the picture is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._samples: list[Sample] = []
        self._labels: LabelSpace | None = None

    def add(self, predictor: Ensemble, image: ImageArray, name: str) -> None:
        """Keep an image ``(H, W, C)`` with its mask, unless there are enough. The network sees it once more."""
        if len(self._samples) < _COUNT:
            self._labels = predictor.info.labels
            self._samples.append(Sample(image, predictor.mask(image).cpu().numpy(), name))

    def write(self) -> None:
        """Write the picture, if there are images to show."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._labels is not None:
            write_sheet(self._samples, self._labels, self.folder / "masks.png")
