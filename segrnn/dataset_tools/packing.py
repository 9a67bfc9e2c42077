"""Copying a dataset to NumPy arrays, which need no decoding. A crop reads only its own part of an array."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from segrnn.atomic import new_folder
from segrnn.dataset_tools.extract import require_space
from segrnn.datasets.class_file import CLASS_FILE, write_class_file
from segrnn.datasets.files import FilePair, SegmentationDataset
from segrnn.errors import DataError, OutputError
from segrnn.images import ImageArray
from segrnn.paths import safe_path


@dataclass(frozen=True)
class Pack:
    """Writes samples of a split as arrays in the layout of `segrnn.datasets.Folder`. It is a task for `for_each`.

    Args:
        root: the folder of the copy.
    """

    root: Path

    def __call__(self, dataset: SegmentationDataset, index: int) -> int:
        """Write a sample's image and ids, and return the number of their bytes.

        Raises:
            DataError: the sample can't be trained on, or its name leads elsewhere or is not portable.
            OutputError: a file can't be written.
        """
        pair = dataset.pairs[index]
        path = PurePosixPath(f"{pair.name}.npy")
        require_portable(pair)
        ids = dataset.read_ids(pair.label)
        image = dataset.sample(pair, dataset.read_pixels(pair.image), ids).image  # an error if it can't be trained on
        for kind, array in (("images", image), ("masks", ids)):
            _write(self.root / kind / dataset.split / path, array)
        return image.nbytes + ids.nbytes


def require_portable(pair: FilePair) -> None:
    """Check that a sample's name can be part of a path on every system, and does not lead elsewhere.

    Raises:
        DataError: the name is not portable.
    """
    path = PurePosixPath(f"{pair.name}.npy")
    if safe_path(str(path)) != path:
        raise DataError(
            f"{pair.image}: its name in the copy would be {pair.name!r}, which not every system allows: rename the "
            "image"
        )


def _write(path: Path, array: ImageArray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}") from error


@contextmanager
def new_pack(datasets: Sequence[SegmentationDataset], root: Path) -> Iterator[Path]:
    """Give a draft folder for the copy, with the label table in it.

    At the end the draft becomes `root`. After a failure it is removed.

    Raises:
        OutputError: the folder is not empty, can't be written, or the disk is too small.
    """
    with new_folder(root) as draft:
        # the size is estimated from the first image: decoding all images twice would double the work
        require_space(draft, sum(len(dataset) * _size(dataset) for dataset in datasets))
        write_class_file(draft / CLASS_FILE, datasets[0].labels)
        yield draft


def _size(dataset: SegmentationDataset) -> int:
    image, mask, _ = dataset[0]
    return image.nbytes + mask.nbytes
