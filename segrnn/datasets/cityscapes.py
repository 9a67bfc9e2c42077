"""Cityscapes, straight from the published tree."""

from pathlib import Path
from typing import ClassVar

from segrnn.datasets.files import FilePair, SegmentationFiles, require_folder
from segrnn.errors import DataError
from segrnn.labels import CITYSCAPES, IGNORE_INDEX, ForeignIdError, LabelSpace

TREE = """\
  leftImg8bit/{train,val,test}/<city>/<city>_<seq>_<frame>_leftImg8bit.png
  gtFine/{train,val,test}/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png"""

_IMAGE, _LABEL = "_leftImg8bit.png", "_gtFine_labelIds.png"


class Cityscapes(SegmentationFiles):
    """Cordts et al. 2016, "The Cityscapes dataset", arXiv 1604.01685: fine labels, read from ``*_labelIds.png``.

    No preparation is needed: the 34 ids in the files are mapped to train ids here.

    Args:
        root: the folder with ``leftImg8bit`` and ``gtFine``.
        split: ``train``, ``val`` or ``test`` (whose public labels are dummies: every score is NaN).

    Raises:
        DataError: the tree is not there, or an image has no label.
    """

    table: ClassVar[LabelSpace] = CITYSCAPES

    def __init__(self, root: str, split: str) -> None:
        images = Path(root) / "leftImg8bit" / split
        require_folder(images, Path(root), TREE)
        pairs = [self._pair(image, Path(root) / "gtFine" / split) for image in sorted(images.glob(f"*/*{_IMAGE}"))]
        if not pairs:
            raise DataError(f"{images} holds no */*{_IMAGE}")
        super().__init__(pairs, self.table)

    def _pair(self, image: Path, labels: Path) -> FilePair:
        city, stem = image.parent.name, image.name.removesuffix(_IMAGE)
        label = labels / city / f"{stem}{_LABEL}"
        if not label.is_file():
            raise DataError(f"image {image} has no label: {label} does not exist")
        return FilePair(image, label, f"{city}/{image.stem}")

    def explain_foreign(self, error: ForeignIdError) -> str:
        """Cityscapes' labels come in several kinds of file."""
        if set(error.present) <= {*range(self.table.num_classes), IGNORE_INDEX}:
            return "these look like train ids: point to the original *_labelIds.png, which are mapped on reading"
        return super().explain_foreign(error)
