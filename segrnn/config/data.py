"""A dataset from the configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from segrnn.components import build, call
from segrnn.config.schema import Scored, check
from segrnn.config.targets import DATA_TARGETS
from segrnn.datasets import SegmentationFiles
from segrnn.models import ModelInfo


def lay_over(chosen: Mapping[str, Any], info: ModelInfo) -> dict[str, Any]:
    """The data that a network was trained on, and over it what the user has chosen.

    Args:
        chosen: the configuration of the group ``data``; what is null stays as it was.
        info: of the network.

    Raises:
        ConfigError: neither says what is needed.
    """
    recipe = info.provenance.get("config", {})  # a bundle that was put together by hand has none
    told = {key: value for key, value in chosen.items() if value is not None}
    data = OmegaConf.create({"data": {**chosen, **recipe.get("data", {}), **told}})
    checked: dict[str, Any] = check(data, Scored)["data"]
    return checked


def build_dataset(
    data: Mapping[str, Any], split: str, allow: Sequence[str] = DATA_TARGETS, strict: bool = True
) -> SegmentationFiles:
    """A split of a dataset.

    Args:
        data: the configuration of the group ``data``.
        split: which part of it.
        allow: import paths that may be named.
        strict: whether an image without a label is an error.

    Raises:
        ConfigError: a dataset that does not exist, or arguments that it refuses.
        DataError: the files are not there.
    """
    make = build(data["dataset"], "data.dataset", allow)
    dataset: SegmentationFiles = call(make, "data.dataset", root=data["root"], split=split, strict=strict)
    return dataset
