"""The information that accompanies a trained network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from segrnn.images import Preprocessing
from segrnn.labels import LabelSpace


@dataclass(frozen=True)
class ModelInfo:
    """The information that is needed to rebuild a network, to use it, and to know where it comes from.

    Args:
        architecture: ``model`` and ``context``, as `segrnn.models.architecture.build_segmenter` takes them.
        labels: the classes, with names and colours.
        preprocessing: the preprocessing of every image before the network.
        scores: the network's scores by name, as fractions.
        provenance: the network's origin, as primitives. For networks that `segrnn.train` has made, ``config`` is the
            whole configuration.
    """

    architecture: Mapping[str, Any]
    labels: LabelSpace
    preprocessing: Preprocessing
    scores: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the information as primitives, for a bundle."""
        return {
            "architecture": dict(self.architecture),
            "labels": self.labels.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "scores": dict(self.scores),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a `ModelInfo` from the primitives that `to_dict` returns.

        Raises:
            ValueError: a part has the wrong type.
        """
        for part in ("architecture", "scores", "provenance"):
            if not isinstance(values[part], Mapping):
                raise ValueError(f"{part} is {values[part]!r}")
        for name, score in values["scores"].items():
            if not isinstance(score, int | float):
                raise ValueError(f"the score {name!r} is {score!r}")
        return cls(
            values["architecture"],
            LabelSpace.from_dict(values["labels"]),
            Preprocessing.from_dict(values["preprocessing"]),
            values["scores"],
            values["provenance"],
        )
