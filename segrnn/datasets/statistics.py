"""Statistics of classes. They give weights for a loss, and the images to show more often."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.datasets.files import SegmentationDataset
from segrnn.errors import ConfigError, DataError
from segrnn.labels import IGNORE_INDEX

Counts = npt.NDArray[np.int64]


def count_classes(dataset: SegmentationDataset, index: int) -> Counts:
    """Count the pixels of each class in a sample, ``(K + 1,)``. The last count is that of void pixels."""
    pair = dataset.pairs[index]
    mask = dataset.encode(pair.label, dataset.read_ids(pair.label))
    counts = np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1)
    return np.append(counts[: dataset.labels.num_classes], counts[IGNORE_INDEX]).astype(np.int64)


@dataclass(frozen=True)
class ClassStatistics:
    """The number of pixels of each class in each image of a split.

    Args:
        class_names: the names of the K classes.
        names: the names of the N samples.
        counts: the numbers of pixels, int64 ``(N, K + 1)``. The last column is void.

    Example:
        >>> statistics = ClassStatistics(("road", "car"), ("a", "b"), np.array([[6, 2, 0], [6, 0, 2]]))
        >>> statistics.frequencies.round(3).tolist(), statistics.median_frequency_weights.tolist()
        ([0.857, 0.143], [0.6666666666666666, 2.0])
        >>> statistics.repeats(0.9).round(3).tolist()  # "car" is in half of the images, less than 0.9
        [1.342, 1.0]
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    counts: Counts

    @property
    def pixels(self) -> Counts:
        """Return the number of pixels of each class, ``(K,)``."""
        return np.asarray(self._classes.sum(axis=0))

    @property
    def _classes(self) -> Counts:
        return self.counts[:, :-1]

    @property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """Return the share of each class in the pixels that are not void, ``(K,)``."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def presence(self) -> npt.NDArray[np.float64]:
        """Return the share of images that hold each class, ``(K,)``."""
        return (self._classes > 0).mean(axis=0)

    @property
    def median_frequency_weights(self) -> npt.NDArray[np.float64]:
        """Return weights for a loss, ``(K,)``: the median frequency divided by each class's own frequency.

        The weight is 0 for a class that never occurs. Eigen and Fergus 2015, arXiv 1411.4734, section 6.3.2: a class's
        frequency is its share of all pixels, void ones too, in the images that hold the class.
        """
        where_present = ((self._classes > 0) * self.counts.sum(axis=1, keepdims=True)).sum(axis=0)
        occurs = where_present > 0
        frequency = self.pixels[occurs] / where_present[occurs]
        weights = np.zeros(len(self.class_names))
        if occurs.any():
            weights[occurs] = np.median(frequency) / frequency
        return weights

    def repeats(self, threshold: float) -> npt.NDArray[np.float64]:
        """Return how often to show each image in a pass, ``(N,)``: at least once, and more often for rare classes.

        Gupta et al. 2019, "LVIS", arXiv 1908.03195, appendix B.2: a class in a share f of the images has the factor
        max(1, sqrt(threshold / f)). An image is repeated by the factor of its rarest class.

        Args:
            threshold: the share of images below which a class counts as rare.
        """
        presence = np.where(self.presence > 0, self.presence, 1)
        factors = np.maximum(1, np.sqrt(threshold / presence))
        return np.where(self._classes > 0, factors, 1).max(axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as primitives: figures of each class, and its pixels in each image. Class K is void."""
        per_class = {
            name: {"pixels": int(pixels), "frequency": float(share), "presence": float(images), "weight": float(weight)}
            for name, pixels, share, images, weight in zip(
                self.class_names,
                self.pixels,
                self.frequencies,
                self.presence,
                self.median_frequency_weights,
                strict=True,
            )
        }
        rows = [{str(k): int(row[k]) for k in np.flatnonzero(row)} for row in self.counts]
        return {"classes": per_class, "images": dict(zip(self.names, rows, strict=True))}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ClassStatistics":
        """Make the statistics from the result of `to_dict`."""
        counts = np.zeros((len(values["images"]), len(values["classes"]) + 1), np.int64)
        for row, pixels in zip(counts, values["images"].values(), strict=True):
            for train_id, count in pixels.items():
                row[int(train_id)] = count
        return cls(tuple(values["classes"]), tuple(values["images"]), counts)


def read_statistics(path: str | Path) -> ClassStatistics:
    """Read the statistics that ``python -m segrnn.prepare stats`` wrote.

    Raises:
        DataError: the file is missing, or holds no such statistics.
    """
    try:
        return ClassStatistics.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; python -m segrnn.prepare stats writes it") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} was not written by python -m segrnn.prepare stats: {error!r}") from error


def read_statistics_of(dataset: SegmentationDataset, path: str | Path) -> ClassStatistics:
    """Read the statistics that ``python -m segrnn.prepare stats`` wrote about a dataset.

    Raises:
        DataError: the file is missing, holds no such statistics, or is about other classes or images.
    """
    statistics = read_statistics(path)
    _require_same("classes", statistics.class_names, dataset.labels.class_names, path)
    _require_same("images", statistics.names, tuple(pair.name for pair in dataset.pairs), path)
    return statistics


def _require_same(what: str, found: tuple[str, ...], wanted: tuple[str, ...], path: str | Path) -> None:
    if found != wanted:
        theirs, ours = next(names for names in zip_longest(found, wanted, fillvalue="none") if names[0] != names[1])
        raise DataError(
            f"{path} is about other {what} than the training split: it has {len(found)}, and the split has "
            f"{len(wanted)}. They first differ at {theirs} and {ours}. python -m segrnn.prepare stats writes the file "
            "again"
        )


def read_weights(path: str | None) -> list[float]:
    """Read median-frequency weights for a loss from the file that ``python -m segrnn.prepare stats`` wrote.

    Raises:
        DataError: the file is missing, or holds no such statistics.
        ConfigError: no file is given.
    """
    if not path:
        raise ConfigError("these class weights need data.stats=<file>: python -m segrnn.prepare stats writes it")
    return read_statistics(path).median_frequency_weights.tolist()
