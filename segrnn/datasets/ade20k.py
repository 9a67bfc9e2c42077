"""ADE20K in the form of the SceneParsing challenge."""

from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from segrnn.datasets.files import Named, SegmentationDataset
from segrnn.errors import DataError
from segrnn.images.storage import File, Tree
from segrnn.labels import ADE20K as TABLE
from segrnn.labels import ForeignIdError, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.metrics import ADE20KScores, InstanceHits

_FOLDERS = {"train": "training", "val": "validation"}


class ADE20K(SegmentationDataset):
    """The ADE20K dataset of the challenge, with 150 classes. Label 0 is everything else.

    Zhou et al. 2017, "Scene parsing through ADE20K dataset".

    Args:
        root: the folder with ``images`` and ``annotations``, the one above it, or ``ADEChallengeData2016.zip``.
        split: ``train`` (20,210 images) or ``val`` (2,000).
        strict: whether an image without a label is an error.

    Raises:
        DataError: the tree is not there, or an image has no label.
    """

    table: ClassVar[LabelSpace] = TABLE
    wrappers = ("ADEChallengeData2016",)
    layout = """\
  images/{training,validation}/ADE_{train,val}_<number>.jpg
  annotations/{training,validation}/ADE_{train,val}_<number>.png    ids 0 to 150, 0 is not scored"""

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return images and labels, by the stems of their files."""
        folder = _FOLDERS.get(split, split)
        return _stems(tree.files(f"images/{folder}"), ".jpg"), _stems(tree.files(f"annotations/{folder}"), ".png")

    def diagnose(self, tree: Tree) -> str:
        """Recognise other publications of ADE20K, which have other trees and other classes."""
        if any(name.endswith(("_seg.png", "index_ade20k.pkl", "index_ade20k.mat")) for name in tree.files()):
            return (
                "This is the full ADE20K with about 3,000 classes; the challenge's archive is ADEChallengeData2016.zip"
            )
        return ""

    def read_ids(self, file: File) -> ByteArray:
        """Return the ids ``(H, W)`` that a label file holds. A label of the full dataset is known by three channels."""
        try:
            return super().read_ids(file)
        except DataError as error:
            if "mode RGB" in str(error):
                raise DataError(
                    f"{error}; the full ADE20K has such labels, but the challenge's dataset does not"
                ) from None
            raise

    def official_scores(self, counts: npt.NDArray[np.int64], instances: InstanceHits | None) -> dict[str, Any]:
        """Return pixel accuracy, mean IoU with absent classes as 0, and the mean of both.

        Args:
            counts: the confusion matrix ``(K, K)``; rows are the truth.
            instances: is not used.
        """
        return ADE20KScores(counts).to_dict()

    def explain_foreign(self, error: ForeignIdError) -> str:
        """Explain foreign ids: they come from a shift by one, or from another dataset."""
        return (
            "the challenge has the ids 0 to 150, with 0 for everything else; were they shifted by one (0 becomes 255)?"
        )


def _stems(files: dict[str, File], suffix: str) -> list[Named]:
    return [(PurePosixPath(name).stem, file) for name, file in files.items() if name.lower().endswith(suffix)]
