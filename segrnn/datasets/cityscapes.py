"""Cityscapes, read directly from the published tree or its archives."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from segrnn.datasets.files import Named, SegmentationDataset
from segrnn.errors import ConfigError
from segrnn.images.reading import open_picture
from segrnn.images.storage import File, Tree
from segrnn.labels import CITYSCAPES, IGNORE_INDEX, ForeignIdError, LabelSpace
from segrnn.metrics import CityscapesScores, InstanceHits

_IMAGE = "_leftImg8bit.png"


class Cityscapes(SegmentationDataset):
    """The Cityscapes dataset, with labels from ``*_labelIds.png``.

    Cordts et al. 2016, "The Cityscapes dataset", arXiv 1604.01685. No preparation is needed: the 34 ids in the files
    are mapped to train ids here.

    Args:
        root: the folder with ``leftImg8bit`` and ``gtFine``, or with the published zip archives.
        split: ``train``, ``val``, ``train_extra`` (coarse labels only) or ``test`` (its public labels are dummies, so
            every score is NaN).
        strict: whether an image without a label is an error.
        annotations: ``gtFine`` or ``gtCoarse``. By default it is ``gtCoarse`` for ``train_extra``, else ``gtFine``.

    Raises:
        DataError: the tree is not there, or an image has no label.
        ConfigError: `annotations` has another value.
    """

    table: ClassVar[LabelSpace] = CITYSCAPES
    layout = """\
  leftImg8bit/{train,val,test,train_extra}/<city>/<city>_<seq>_<frame>_leftImg8bit.png
  gtFine/{train,val,test}/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png
  gtCoarse/{train,val,train_extra}/<city>/<city>_<seq>_<frame>_gtCoarse_labelIds.png"""

    def __init__(self, root: str, split: str, strict: bool = True, annotations: str | None = None) -> None:
        if annotations not in (None, "gtFine", "gtCoarse"):
            raise ConfigError(f"data.dataset.annotations={annotations} must be gtFine, gtCoarse or null")
        # the default depends on the split, so that a run on train_extra is still validated on fine labels
        self.annotations = annotations or ("gtCoarse" if split == "train_extra" else "gtFine")
        self._instances: dict[str, File] = {}
        super().__init__(root, split, strict)

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return images and labels of all cities, by ``<city>/<city>_<seq>_<frame>``."""
        labels = tree.files(f"{self.annotations}/{split}")
        self._instances = dict(_ending(labels, f"_{self.annotations}_instanceIds.png"))
        images = _ending(tree.files(f"leftImg8bit/{split}"), _IMAGE)
        return images, _ending(labels, f"_{self.annotations}_labelIds.png")

    def diagnose(self, tree: Tree) -> str:
        """Name the missing download: the images and each kind of label are separate downloads."""
        extra = self.split == "train_extra"
        if not tree.files("leftImg8bit/train_extra" if extra else "leftImg8bit"):
            return f"There are no images: is leftImg8bit_{'trainextra' if extra else 'trainvaltest'}.zip missing?"
        if extra and self.annotations == "gtFine":
            return "train_extra has only coarse labels: remove data.dataset.annotations=gtFine"
        labels = tree.files(self.annotations)
        if not labels:
            archive = "gtCoarse.zip" if self.annotations == "gtCoarse" else "gtFine_trainvaltest.zip"
            return f"There is no {self.annotations}: is {archive} missing?"
        if not _ending(labels, "_labelIds.png"):
            return (
                f"{self.annotations} holds no *_labelIds.png: colour pictures and train ids can't replace these files"
            )
        return ""

    def read_instances(self, index: int) -> npt.NDArray[np.int64] | None:
        """Return the instance ids ``(H, W)`` of a sample from ``*_instanceIds.png``, or None if there is no such file.

        A pixel holds a class's id, or for an instance its class's id * 1000 + its number.
        """
        file = self._instances.get(self.pairs[index].name)
        return None if file is None else np.array(open_picture(file).picture).astype(np.int64)

    def official_scores(self, counts: npt.NDArray[np.int64], instances: InstanceHits | None) -> dict[str, Any]:
        """Return IoU and iIoU of classes and categories, as cityscapesScripts prints them.

        Args:
            counts: the confusion matrix ``(K, K)``; rows are the truth.
            instances: the counts of instances; None unless every sample has instance ids.
        """
        return CityscapesScores(counts, self.labels, instances).to_dict()

    def explain_foreign(self, error: ForeignIdError) -> str:
        """Explain foreign ids: they may come from another kind of label file."""
        if set(error.present) <= {*range(self.table.num_classes), IGNORE_INDEX}:
            return "these look like train ids: use the original *_labelIds.png; their ids are mapped when they are read"
        return super().explain_foreign(error)


def _ending(files: dict[str, File], ending: str) -> list[Named]:
    return [(name.removesuffix(ending), file) for name, file in files.items() if name.endswith(ending)]
