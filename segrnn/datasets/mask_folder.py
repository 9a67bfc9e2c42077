"""Writing a folder of pictures and masks on which `segrnn.datasets.Folder` trains."""

import os
import shutil
from pathlib import Path, PurePosixPath

from PIL import Image

from segrnn.datasets.class_file import CLASS_FILE, write_class_file
from segrnn.errors import OutputError
from segrnn.images.storage import File
from segrnn.labels import LabelSpace
from segrnn.labels.space import ByteArray


class MaskFolder:
    """A folder of pictures, masks and ``classes.yaml``, in the layout that `segrnn.datasets.Folder` reads.

    Args:
        root: the folder, which exists.

    Example:
        >>> import tempfile
        >>> from segrnn.labels import CAMVID
        >>> with tempfile.TemporaryDirectory() as root:
        ...     folder = MaskFolder(Path(root))
        ...     folder.write_classes(CAMVID, val=0.5)
        ...     for name in ("day/a.png", "day/b.png"):
        ...         picture, mask = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8), np.uint8)
        ...         folder.write(PurePosixPath(name), picture, mask)
        ...     sorted(path.relative_to(root).as_posix() for path in Path(root).rglob("*.*"))
        ['classes.yaml', 'images/day/a.png', 'images/day/b.png', 'masks/day/a.png', 'masks/day/b.png']
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_classes(self, labels: LabelSpace, val: float | None) -> None:
        """Write ``classes.yaml``.

        Args:
            labels: the classes.
            val: the share of the pictures that is for validation; None if each split has a folder.
        """
        whole = {"images": "images/{name}.*", "masks": "masks/{name}.png", "split": {"val": val, "seed": 0}}
        write_class_file(self.root / CLASS_FILE, labels, None if val is None else whole)

    def write(self, path: PurePosixPath, picture: File | ByteArray, mask: ByteArray) -> None:
        """Write a picture and its mask.

        Args:
            path: the path of the picture, relative to the folder of all pictures.
            picture: the picture's file, which gets a hard link, or a copy where there are no hard links. Or the pixels
                ``(H, W, 3)`` of the picture, which become a PNG file.
            mask: the ids ``(H, W)`` of the mask.

        Raises:
            OutputError: a file can't be written.
        """
        try:
            _save(mask, self.root / "masks" / path.with_suffix(".png"))
            if isinstance(picture, File):
                _place(picture, self.root / "images" / path)
            else:
                _save(picture, self.root / "images" / path.with_suffix(".png"))
        except OSError as error:
            raise OutputError(f"{path} can't be written: {error}") from error


def _save(pixels: ByteArray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _place(file: File, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(file, Path):
        path.write_bytes(file.read_bytes())
        return
    try:
        os.link(file.resolve(), path)
    except OSError:
        shutil.copyfile(file, path)
