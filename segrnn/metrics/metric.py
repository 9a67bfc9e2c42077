"""What a metric of one's own looks like."""

from typing import Any, Protocol, runtime_checkable

from segrnn.labels.space import ByteArray


@runtime_checkable
class Metric(Protocol):
    """A metric that ``metrics=[...]`` adds to an evaluation. It is built with the number of classes.

    Example:
        >>> class Sky:
        ...     def __init__(self, num_classes):
        ...         self.pixels = 0
        ...
        ...     def update(self, prediction, target):
        ...         self.pixels += int((prediction == 0).sum())
        ...
        ...     def to_dict(self, class_names):
        ...         return {"pixels of sky": self.pixels}
        >>> isinstance(Sky(2), Metric)
        True
    """

    def update(self, prediction: ByteArray, target: ByteArray) -> None:
        """Take in one image: two masks of train ids ``(H, W)``, uint8. 255 is void."""

    def to_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return what ``metrics.json`` shall hold, as primitives. Its numbers, as fractions, are also printed."""


@runtime_checkable
class MergeableMetric(Metric, Protocol):
    """A metric that several processes can share: each counts some images, and the first one adds up the counts.

    Example:
        >>> class Images:
        ...     def __init__(self, num_classes):
        ...         self.count = 0
        ...
        ...     def update(self, prediction, target):
        ...         self.count += 1
        ...
        ...     def merge(self, other):
        ...         self.count += other.count
        ...
        ...     def to_dict(self, class_names):
        ...         return {"images": self.count}
        >>> isinstance(Images(2), MergeableMetric)
        True
    """

    def merge(self, other: Any) -> None:
        """Add what another process has counted, with the same class, on other images."""
