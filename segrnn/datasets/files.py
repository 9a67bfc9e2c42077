"""Datasets of image and label files, which are read in full and checked."""

from collections.abc import Iterable
from copy import copy
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from segrnn.errors import DataError
from segrnn.images.bands import RGB, Bands, ImageArray, read_bands
from segrnn.images.label_files import read_label
from segrnn.images.reading import MAX_PIXELS, read_header
from segrnn.images.storage import File, Member, Tree
from segrnn.images.turning import turn
from segrnn.labels import ColorCode, ForeignIdError, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.metrics import InstanceHits


class Sample(NamedTuple):
    """An image ``(H, W, C)``, its mask of train ids ``(H, W)`` uint8, and the sample's unique name."""

    image: ImageArray
    mask: ByteArray
    name: str


class FilePair(NamedTuple):
    """The files of an image and its label, and the sample's name: a relative path without a suffix."""

    image: File
    label: File
    name: str


Named = tuple[str, File]
"""A sample's name, and a file that belongs to it."""


class SegmentationDataset(Dataset[Sample]):
    """A dataset of images with label files. The ids in the labels are mapped to train ids once.

    A subclass finds its files in `find`, and has a label `table`.

    Args:
        root: a folder or a zip archive. Zip archives in a folder are read as if they were extracted.
        split: the name of the split.
        strict: whether an image without a label is an error. If not, `unlabelled` names it.

    Attributes:
        split: the name of the split.
        pairs: images with labels, in the order of their names.
        unlabelled: messages about images that are in no pair.
        orphans: messages about labels that have no image. They do no harm.
        remarks: messages about other files in the tree that are not used, a line for each kind.

    Raises:
        DataError: there are no files, or an image has no label. On reading a sample: a file is missing, truncated, of
            the wrong kind or size, or holds foreign ids.
    """

    table: ClassVar[LabelSpace]
    wrappers: ClassVar[tuple[str, ...]] = ()
    """Folders that the publishers put around the whole dataset."""
    paletted: ClassVar[bool] = False
    """Whether label files may have a palette."""
    layout: ClassVar[str]
    """A picture of the dataset's tree, for messages."""
    color_code: ColorCode | None = None
    """The colours that stand for ids, if label files are pictures in colours."""
    bands: Bands = RGB
    """The channels and the depth of image files."""
    max_pixels = MAX_PIXELS
    """The most pixels of a picture. Files that claim to have more are refused before they are decoded."""

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
        """Return the images and the label files of a split, each with the name that pairs them."""
        raise NotImplementedError

    def diagnose(self, tree: Tree) -> str:
        """Explain what a tree without this dataset's images probably is. Return an empty text if that is not known."""
        return ""

    def _wanted(self) -> str:
        return (
            f"The dataset's root should hold\n\n{self.layout}\n\nas folders or in zip archives. "
            "Say where it is with data.root=<folder or zip>"
        )

    @property
    def labels(self) -> LabelSpace:
        """Return the table that maps ids to train ids."""
        return self.table

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        return self.sample(pair, self.read_pixels(pair.image), self.read_ids(pair.label))

    def shuffle(self, rng: np.random.Generator, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the indices of a pass in a random order for training.

        Args:
            rng: the source of all chance.
            indices: the indices, ``(N,)``. Some may occur several times.
        """
        return rng.permutation(indices)

    def first(self, count: int | None) -> Self:
        """Return a dataset of the first `count` samples of this one, or of all samples if `count` is None."""
        shorter = copy(self)
        shorter.pairs = self.pairs[:count]
        return shorter

    def join(self, other: Self) -> Self:
        """Return a dataset of the samples of this one and then those of another split.

        Samples whose names are in both splits get the split's name in front of theirs, and so do all others then.

        Args:
            other: a split of the same dataset.
        """
        both = copy(self)
        both.split = f"{self.split}+{other.split}"
        clash = not {pair.name for pair in self.pairs}.isdisjoint(pair.name for pair in other.pairs)
        both.pairs = [
            pair._replace(name=f"{part.split}/{pair.name}") if clash else pair
            for part in (self, other)
            for pair in part.pairs
        ]
        both.unlabelled = [*self.unlabelled, *other.unlabelled]
        both.orphans = [*self.orphans, *other.orphans]
        both.remarks = [*self.remarks, *(remark for remark in other.remarks if remark not in self.remarks)]
        return both

    def sample(self, pair: FilePair, image: ImageArray, ids: ByteArray) -> Sample:
        """Make a sample from the contents of a pair of files.

        The pixels are used as they are stored. Only if the sizes differ, and turning the image as its EXIF tag says
        makes them equal, it is turned.

        Args:
            pair: the files and the sample's name.
            image: the pixels of the image, ``(H, W, C)``.
            ids: the ids of the label, ``(H, W)``.

        Raises:
            DataError: the sizes of image and label differ, or the label holds foreign ids.
        """
        if image.shape[:2] != ids.shape:
            upright = turn(image, read_header(pair.image).orientation)
            if upright.shape[:2] != ids.shape:
                turned = " (they match when turned, but no EXIF tag of the image says how: turn one of them)"
                raise DataError(
                    f"sizes differ: image {pair.image} is {_size(image)}, label {pair.label} is {_size(ids)}"
                    + (turned if image.shape[1::-1] == ids.shape else "")
                )
            image = upright
        return Sample(image, self.encode(pair.label, ids), pair.name)

    def encode(self, file: File, ids: ByteArray) -> ByteArray:
        """Return the train ids ``(H, W)`` for the ids of a label file.

        Args:
            file: the label file, for the message.
            ids: the ids in the file, ``(H, W)``.

        Raises:
            DataError: some ids are not in the table.
        """
        try:
            return self.labels.encode(ids)
        except ForeignIdError as error:
            raise DataError(f"{file}: {error}; {self.explain_foreign(error)}") from error

    def read_pixels(self, file: File) -> ImageArray:
        """Return the pixels ``(H, W, C)`` of an image file."""
        return read_bands(file, self.bands, self.max_pixels)

    def read_ids(self, file: File) -> ByteArray:
        """Return the ids ``(H, W)`` that a label file holds."""
        return read_label(file, self.max_pixels)

    def read_instances(self, index: int) -> npt.NDArray[np.int64] | None:
        """Return the instance ids ``(H, W)`` of a sample if the dataset has them and its official score needs them."""
        return None

    def official_scores(self, counts: npt.NDArray[np.int64], instances: InstanceHits | None) -> dict[str, Any]:
        """Return the scores of the dataset's benchmark as primitives, or nothing if it has no benchmark.

        Args:
            counts: the confusion matrix ``(K, K)``; rows are the truth.
            instances: the counts of instances; None unless every sample has instance ids.
        """
        return {}

    def explain_foreign(self, error: ForeignIdError) -> str:
        """Explain what a label with foreign ids probably is. Subclasses know the usual mistakes with their dataset."""
        return f"the table has {sorted(label.id for label in self.labels.labels)}"


def _pair(images: Iterable[Named], labels: Iterable[Named]) -> tuple[list[FilePair], list[str], list[str]]:
    """Pair images and labels by name. Also return messages about unpaired images, and about labels without image."""
    image_of, unclear = _by_name(images)
    label_of, unclear_labels = _by_name(labels)
    unlabelled = [f"image {image_of[name]} has no label" for name in sorted(image_of.keys() - label_of.keys())]
    orphans = [f"label {label_of[name]} has no image" for name in sorted(label_of.keys() - image_of.keys())]
    names = sorted(image_of.keys() & label_of.keys())
    pairs = [FilePair(image_of[name], label_of[name], name) for name in names]
    return pairs, [*unclear, *unclear_labels, *unlabelled], orphans


def _by_name(files: Iterable[Named]) -> tuple[dict[str, File], list[str]]:
    """Return files by name, and messages about names that two files have.

    If a file is both in a folder and in an archive, the folder's file is used.
    """
    found: dict[str, File] = {}
    taken = []
    for name, file in sorted(files, key=lambda named: isinstance(named[1], Member)):
        first = found.setdefault(name, file)
        if first is not file and type(first) is type(file):
            taken.append(f"two files are called {name}: {first} and {file}")
    return found, taken


def _size(array: ImageArray) -> str:
    """Write a size with the width first, as people do."""
    return f"{array.shape[1]} x {array.shape[0]}"
