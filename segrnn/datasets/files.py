"""Image and label files, read in full and checked."""

from collections.abc import Iterable
from copy import copy
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from segrnn.datasets.pictures import MAX_PIXELS, read_image, read_label
from segrnn.datasets.storage import File, Member, Tree
from segrnn.errors import DataError
from segrnn.labels import ColorCode, ForeignIdError, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.metrics import InstanceHits


class Sample(NamedTuple):
    """An image ``(H, W, 3)`` uint8, its mask of train ids ``(H, W)`` uint8, and the name that tells them apart."""

    image: ByteArray
    mask: ByteArray
    name: str


class FilePair(NamedTuple):
    """Where an image and its label lie, and the sample's name: relative, without a suffix."""

    image: File
    label: File
    name: str


Named = tuple[str, File]
"""A sample's name, and a file that belongs to it."""


class SegmentationDataset(Dataset[Sample]):
    """Images with label files, mapped once to train ids.

    A dataset says what its files are called in `find`, and has a label `table`.

    Args:
        root: a folder, or a zip archive; in a folder, zip archives are read as if they were extracted.
        split: which part of the dataset.
        strict: whether an image without a label is an error; if not, `unlabelled` has it.

    Attributes:
        split: as given.
        pairs: images with labels, by name.
        unlabelled: what is wrong with images that are in no pair.
        orphans: which labels have no image; harmless.
        remarks: what else was found in the tree and is not used, a line for each kind.

    Raises:
        DataError: there are no files, or an image has no label; on reading, where a file is missing, truncated, of the
            wrong kind or size, or holds foreign ids.
    """

    table: ClassVar[LabelSpace]
    wrappers: ClassVar[tuple[str, ...]] = ()
    """Folders that the publishers put around everything."""
    paletted: ClassVar[bool] = False
    """Whether label files may have a palette."""
    layout: ClassVar[str]
    """The tree as people should see it, for messages."""
    color_code: ColorCode | None = None
    """The colours that stand for ids, where label files are pictures in colours."""
    max_pixels = MAX_PIXELS
    """Images and label files that claim to have more are refused before they are decoded."""

    def __init__(self, root: str, split: str, strict: bool = True) -> None:
        self.split = split
        self.remarks: list[str] = []
        try:
            tree = Tree(root, *self.wrappers)
        except DataError as error:
            raise DataError(f"{error}. {self._wanted()}") from None
        try:
            images, labels = self.find(tree, split)
        except OSError as error:
            raise DataError(f"{root} can't be read: {error}") from error
        if not images:
            diagnosis = self.diagnose(tree)
            raise DataError(
                f"{root} holds no images of the split {split!r}. {diagnosis and f'{diagnosis}. '}{self._wanted()}"
            )
        self.pairs, self.unlabelled, self.orphans = _pair(images, labels)
        if strict and self.unlabelled:
            more = len(self.unlabelled) - 1
            diagnosis = "" if self.pairs else self.diagnose(tree)
            raise DataError(
                self.unlabelled[0]
                + (f", and {more} more (python -m segrnn.prepare check lists them)" if more else "")
                + f". {diagnosis and f'{diagnosis}. '}{self._wanted()}"
            )

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """The images and the label files of a split, each with the name that pairs them."""
        raise NotImplementedError

    def diagnose(self, tree: Tree) -> str:
        """What a tree without this dataset's images probably is; empty if nobody can say."""
        return ""

    def _wanted(self) -> str:
        return (
            f"The dataset's root should hold\n\n{self.layout}\n\nas folders or in zip archives. "
            "Say where it is with data.root=<folder or zip>"
        )

    @property
    def labels(self) -> LabelSpace:
        """The table that maps ids to train ids."""
        return self.table

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        return self.sample(pair, self.read_pixels(pair.image), self.read_ids(pair.label))

    def first(self, count: int | None) -> Self:
        """Only the first so many samples of this dataset; all for None."""
        shorter = copy(self)
        shorter.pairs = self.pairs[:count]
        return shorter

    def sample(self, pair: FilePair, image: ByteArray, ids: ByteArray) -> Sample:
        """The sample that the contents of a pair of files make.

        Raises:
            DataError: their sizes differ, or the label holds foreign ids.
        """
        if image.shape[:2] != ids.shape:
            turned = " (they match when turned: was one of them rotated by its EXIF tag?)"
            raise DataError(
                f"sizes differ: image {pair.image} is {_size(image)}, label {pair.label} is {_size(ids)}"
                + (turned if image.shape[1::-1] == ids.shape else "")
            )
        return Sample(image, self.encode(pair.label, ids), pair.name)

    def encode(self, file: File, ids: ByteArray) -> ByteArray:
        """The train ids that the ids of a label file stand for.

        Raises:
            DataError: some are not in the table.
        """
        try:
            return self.labels.encode(ids)
        except ForeignIdError as error:
            raise DataError(f"{file}: {error}; {self.explain_foreign(error)}") from error

    def read_pixels(self, file: File) -> ByteArray:
        """Return the pixels ``(H, W, 3)`` of an image file."""
        return read_image(file, self.max_pixels)

    def read_ids(self, file: File) -> ByteArray:
        """Return the ids ``(H, W)`` that a label file holds."""
        return read_label(file, self.max_pixels)

    def read_instances(self, index: int) -> npt.NDArray[np.int64] | None:
        """The instance ids ``(H, W)`` of a sample, for datasets whose official score needs them and that have them."""
        return None

    def official_scores(self, counts: npt.NDArray[np.int64], instances: InstanceHits | None) -> dict[str, Any]:
        """The scores of the dataset's benchmark, as primitives; empty where there is none.

        Args:
            counts: the confusion matrix ``(K, K)``, rows are the truth.
            instances: None unless every sample has instance ids.
        """
        return {}

    def explain_foreign(self, error: ForeignIdError) -> str:
        """What a label with foreign ids probably is; datasets know their own usual mix-ups."""
        return f"the table has {sorted(label.id for label in self.labels.labels)}"


def _pair(images: Iterable[Named], labels: Iterable[Named]) -> tuple[list[FilePair], list[str], list[str]]:
    """Pair by name; also say what is wrong with images, and which labels have none."""
    image_of, unclear = _by_name(images)
    label_of, unclear_labels = _by_name(labels)
    unlabelled = [f"image {image_of[name]} has no label" for name in sorted(image_of.keys() - label_of.keys())]
    orphans = [f"label {label_of[name]} has no image" for name in sorted(label_of.keys() - image_of.keys())]
    names = sorted(image_of.keys() & label_of.keys())
    pairs = [FilePair(image_of[name], label_of[name], name) for name in names]
    return pairs, [*unclear, *unclear_labels, *unlabelled], orphans


def _by_name(files: Iterable[Named]) -> tuple[dict[str, File], list[str]]:
    """Files by name, and which of them want a name that is taken; one in a folder is taken before one in an archive."""
    found: dict[str, File] = {}
    taken = []
    for name, file in sorted(files, key=lambda named: isinstance(named[1], Member)):
        first = found.setdefault(name, file)
        if first is not file and type(first) is type(file):
            taken.append(f"two files are called {name}: {first} and {file}")
    return found, taken


def _size(array: ByteArray) -> str:
    """A size as people say it, width first."""
    return f"{array.shape[1]} x {array.shape[0]}"
