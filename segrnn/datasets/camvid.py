"""CamVid in the prepared form of the SegNet tutorial."""

from pathlib import Path

from segrnn.datasets.files import FilePair, SegmentationFiles, require_folder
from segrnn.errors import DataError
from segrnn.labels import CAMVID, ForeignIdError

TREE = """\
  {train,val,test}.txt                     one frame a line; only the file's name counts, not its folder
  {train,val,test}/<frame>.png or .jpg
  {train,val,test}annot/<frame>.png        ids 0 to 10, 11 is void"""


class CamVid(SegmentationFiles):
    """Brostow et al. 2009, "Semantic object classes in video", in 11 classes and void as prepared for SegNet.

    Args:
        root: the folder with the lists.
        split: ``train`` (367 frames), ``val`` (101) or ``test`` (233).

    Raises:
        DataError: the list is missing or empty, or a frame of it has no image or no label.
    """

    def __init__(self, root: str, split: str) -> None:
        folder = Path(root)
        require_folder(folder, folder, TREE)
        frames = folder / f"{split}.txt"
        if not frames.is_file():
            raise DataError(f"{frames} does not exist. The dataset's root {root} should hold\n\n{TREE}")
        # the published lists hold absolute paths of another machine: only the stem of the first column is of use
        stems = [Path(line.split()[0]).stem for line in frames.read_text().splitlines() if line.strip()]
        if not stems:
            raise DataError(f"{frames} lists no frames")
        super().__init__([self._pair(folder, split, stem) for stem in stems], CAMVID)

    @staticmethod
    def _pair(folder: Path, split: str, stem: str) -> FilePair:
        candidates = [folder / split / f"{stem}{suffix}" for suffix in (".png", ".jpg")]
        image = next((path for path in candidates if path.is_file()), None)
        if image is None:
            raise DataError(f"frame {stem} of {split}.txt has no image: neither {candidates[0]} nor .jpg exists")
        label = folder / f"{split}annot" / f"{stem}.png"
        if not label.is_file():
            raise DataError(f"image {image} has no label: {label} does not exist")
        return FilePair(image, label, stem)

    def explain_foreign(self, error: ForeignIdError) -> str:
        """CamVid circulates in two forms."""
        return "the prepared form has ids 0 to 11; the original CamVid has colour labels (*_L.png) instead"
