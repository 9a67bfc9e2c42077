"""A dataset of a user's own images and masks, as they lie, with a YAML file of the classes."""

from pathlib import Path, PurePosixPath

from segrnn.datasets.class_file import CLASS_FILE, EXAMPLE, ClassFile, read_class_file
from segrnn.datasets.files import Named, SegmentationDataset
from segrnn.datasets.layout import Layout, explain_nothing, find_files
from segrnn.datasets.templates import is_readable
from segrnn.errors import DataError
from segrnn.images.label_files import read_colors, read_mask
from segrnn.images.passed_over import describe_passed_over
from segrnn.images.reading import MAX_PIXELS
from segrnn.images.storage import File, Tree
from segrnn.labels import ForeignIdError, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.text import counted


class Folder(SegmentationDataset):
    """A dataset of images and masks with ``classes.yaml``, which may also describe where they lie.

    Without a description, images and masks are paired by their paths below ``images/<split>`` and ``masks/<split>``,
    without their suffixes.

    Args:
        root: a folder, or a zip archive of one.
        split: the name of the split.
        strict: whether an image without a mask is an error.
        classes: the path of the file of the classes; by default it is ``classes.yaml`` in the root.
        fold: the fold that is the split ``val``, in place of the one in the file of the classes.
        max_pixels: the most pixels of a picture. One that claims to have more is refused before it is decoded.

    Raises:
        DataError: the tree is not there, the file of the classes can't be understood, or an image has no mask.
    """

    paletted = True
    layout = f"""\
  images/<split>/**/<name>.png, .jpg, ...
  masks/<split>/**/<name>.png              one id for each pixel, or colours
  classes.yaml                             it may describe another tree, too

with {CLASS_FILE} like

{EXAMPLE}"""

    def __init__(
        self,
        root: str,
        split: str,
        strict: bool = True,
        classes: str | None = None,
        fold: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.max_pixels = max_pixels
        self._classes, self._fold = classes, fold
        self._content: ClassFile | None = None
        super().__init__(root, split, strict)
        if self._described is not None:
            left = f", {len(self.unlabelled)} without a mask" if self.unlabelled else ""
            left += f", {counted(len(self.orphans), 'mask')} without an image" if self.orphans else ""
            self.remarks.insert(0, f"{split}: {counted(len(self.pairs), 'image')} with masks{left} ({self._described})")

    @property
    def _described(self) -> Layout | None:
        """Return the description of the tree, or None if there is none or the file of the classes is not read yet."""
        return None if self._content is None else self._content.layout

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return the images and masks of a split, by their names."""
        top, classes = self._find_classes(tree)
        self._content = read_class_file(classes, self._fold)
        self.color_code = self._content.table.color_code
        if self._described is None:
            return self._find_usual(tree, top, split)
        listing = tree.listing(top)
        beside = classes.parent if self._classes is not None and isinstance(classes, Path) else None
        try:
            found = find_files(self._described, listing.files, split, str(tree.root / top), beside)
        except ValueError as error:
            raise DataError(f"{classes}: {error}") from error
        self.remarks += [*found.remarks, *describe_passed_over(listing, found.used | {CLASS_FILE})]
        return found.images, found.masks

    def _find_usual(self, tree: Tree, top: str, split: str) -> tuple[list[Named], list[Named]]:
        """Return the images and masks of the usual tree, by their paths below the split."""
        found = []
        for kind in ("images", "masks"):
            listing = tree.listing(f"{top}{kind}/{split}")
            read = {name for name in listing.files if is_readable(name)}
            self.remarks += [f"{kind}/{split}: {line}" for line in describe_passed_over(listing, read)]
            found.append(
                [(PurePosixPath(name).with_suffix("").as_posix(), listing.files[name]) for name in sorted(read)]
            )
        images, masks = found
        return images, masks

    def _find_classes(self, tree: Tree) -> tuple[str, File]:
        """Find the file of the classes: the given one, or in the root or the one folder that the dataset came with.

        Returns:
            The folder in which the dataset lies, and the file.
        """
        if self._classes is not None:
            return "", Path(self._classes)
        files = tree.files()
        if CLASS_FILE in files:
            return "", files[CLASS_FILE]
        below = [name for name in files if PurePosixPath(name).name == CLASS_FILE]
        if len(below) == 1 and len(PurePosixPath(below[0]).parts) == 2:
            return below[0].removesuffix(CLASS_FILE), files[below[0]]
        there = (
            f", but there is {', '.join(below[:3])}: data.root must be the folder around it, or this folder must be "
            "the top of the archive"
        )
        raise DataError(
            f"{tree.root} holds no {CLASS_FILE}{there if below else ''}. {self._wanted()}, or where this file is with "
            "data.dataset.classes=<file>"
        )

    def diagnose(self, tree: Tree) -> str:
        """Explain why the description of the tree finds no images or masks, with the file that is nearest to it."""
        if self._described is None:
            return ""
        return explain_nothing(self._described, tree.files(self._find_classes(tree)[0]), self.split)

    def _wanted(self) -> str:
        if self._described is None:
            return super()._wanted()
        return f"{CLASS_FILE} describes {self._described}. Templates count from the dataset's root"

    @property
    def labels(self) -> LabelSpace:
        """Return the table that the file of the classes describes."""
        assert self._content is not None
        return self._content.table.labels

    def read_ids(self, file: File) -> ByteArray:
        """Return the ids ``(H, W)`` of a mask. Ids and colours of one class become its first id."""
        if self.color_code is not None:
            return self.color_code.decode(read_colors(file, self.max_pixels))[0]
        assert self._content is not None
        ids, merged = read_mask(file, self.max_pixels), self._content.table.merged
        return ids if merged is None else merged[ids]

    def explain_foreign(self, error: ForeignIdError) -> str:
        """Explain foreign ids, with all ids of all classes."""
        assert self._content is not None
        return (
            f"the table has {list(self._content.table.ids)}. Add the ids to a class or to ignore, or let one class "
            f"take all other ids with `other: {self.labels.class_names[0]}`"
        )
