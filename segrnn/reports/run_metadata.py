"""Facts that a score depends on, beside the configuration."""

from collections.abc import Sequence
from typing import Any

import torch

from segrnn.datasets import SegmentationDataset, digest
from segrnn.measure import count_macs, count_parameters
from segrnn.models import Segmenter
from segrnn.reports.machine import find_commit
from segrnn.versions import list_versions


def gather_metadata(
    segmenter: Segmenter, crop: Sequence[int], train: SegmentationDataset, val: SegmentationDataset
) -> dict[str, Any]:
    """Gather facts about code, data, network size and versions, as primitives.

    The multiply-accumulates are those of one crop. They are None if they can't be counted.

    Args:
        segmenter: the network.
        crop: the height and width of a training crop.
        train: the training images.
        val: the validation images.
    """
    return {
        "commit": find_commit(),
        "data_digest": digest(train, val),
        "train_images": len(train),
        "val_images": len(val),
        "parameters": count_parameters(segmenter),
        "context_parameters": count_parameters(segmenter.context),
        "gmacs_per_crop": _count_gmacs(segmenter, torch.Size([1, train.bands.channels, *crop])),
        "versions": list_versions(),
    }


def _count_gmacs(segmenter: Segmenter, images: torch.Size) -> float | None:
    try:
        return count_macs(segmenter, images) / 1e9
    except Exception:  # counting uses tensors without data, and a foreign encoder may read values from its tensors
        return None
