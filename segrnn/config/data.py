"""A dataset from the configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from segrnn.components import build, call
from segrnn.config.targets import DATA_TARGETS
from segrnn.datasets import SegmentationFiles


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
