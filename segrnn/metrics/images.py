"""The scores of single images, which a mean over the dataset hides."""

from typing import Any, NamedTuple

import numpy as np

from segrnn.metrics.arithmetic import known
from segrnn.metrics.scores import Scores

QUANTILES = (0.1, 0.5, 0.9)


class ImageScore(NamedTuple):
    """The scores of one image."""

    name: str
    miou: float
    """The mean IoU over the classes that occur in the image or in its mask; NaN if all of its label is void."""
    pixel_accuracy: float


class ImageScores:
    """The scores of all images of an evaluation.

    Example:
        >>> images = ImageScores()
        >>> for hits in range(5):
        ...     images.update(str(hits), Scores(np.array([[hits, 4 - hits], [0, 0]]), ("road", "sky")))
        >>> images.to_dict()["pixel_accuracy"]
        {'10%': 0.1, '50%': 0.5, '90%': 0.9}
    """

    def __init__(self) -> None:
        self.rows: list[ImageScore] = []

    def update(self, name: str, scores: Scores) -> None:
        """Add the scores of an image."""
        self.rows.append(ImageScore(name, scores.miou, scores.pixel_accuracy))

    def to_dict(self) -> dict[str, Any]:
        """Return the quantiles of both scores over the images. Images whose label is void are left out."""
        return {
            "miou": self._quantiles([row.miou for row in self.rows]),
            "pixel_accuracy": self._quantiles([row.pixel_accuracy for row in self.rows]),
        }

    def _quantiles(self, values: list[float]) -> dict[str, float | None]:
        present = [value for value in values if not np.isnan(value)]
        found = np.quantile(present, QUANTILES) if present else [float("nan")] * len(QUANTILES)
        return {f"{100 * share:.0f}%": known(value) for share, value in zip(QUANTILES, found, strict=True)}
