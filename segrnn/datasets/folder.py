"""A dataset of a user's own images and masks in plain folders, with a YAML file of the classes."""

from pathlib import PurePosixPath
from typing import Any

import yaml

from segrnn.datasets.files import Named, SegmentationDataset
from segrnn.errors import DataError
from segrnn.images.passed_over import describe_passed_over
from segrnn.images.reading import MAX_PIXELS, picture_suffixes, read_colors, read_mask
from segrnn.images.storage import File, Tree
from segrnn.labels import IGNORE_INDEX, ColorCode, Label, LabelSpace
from segrnn.labels.colors import spread_color
from segrnn.labels.space import ByteArray

_FILE = "classes.yaml"
_EXAMPLE = """\
  name: my streets    # only the names of the classes are required; all else may be missing
  classes:
    - {name: road, id: 0, color: [128, 64, 128]}
    - {name: car, id: 1}
  ignore: [255]       # ids that are neither trained nor scored; without this line, 255
  masks: ids          # or colors: masks are pictures in the colours above; other colours are ignored"""


class Folder(SegmentationDataset):
    """A dataset of images and masks in folders, with ``classes.yaml``. Images and masks are paired by their paths.

    The paths are compared without their suffixes.

    Args:
        root: a folder, or a zip archive of one.
        split: the folder below ``images`` and ``masks``.
        strict: whether an image without a mask is an error.
        max_pixels: the most pixels of a picture. One that claims to have more is refused before it is decoded.

    Raises:
        DataError: the tree is not there, ``classes.yaml`` can't be understood, or an image has no mask.
    """

    paletted = True
    layout = f"""\
  images/<split>/**/<name>.png, .jpg, ...
  masks/<split>/**/<name>.png              one id for each pixel, or colours
  classes.yaml

with {_FILE} like

{_EXAMPLE}"""

    def __init__(self, root: str, split: str, strict: bool = True, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = max_pixels
        super().__init__(root, split, strict)

    def find(self, tree: Tree, split: str) -> tuple[list[Named], list[Named]]:
        """Return images and masks, by their paths below the split."""
        top, classes = self._find_classes(tree)
        self._labels, self.color_code = read_classes(classes)
        found = []
        for kind in ("images", "masks"):
            listing = tree.listing(f"{top}{kind}/{split}")
            read = {name for name in listing.files if PurePosixPath(name).suffix.lower() in self._suffixes()}
            self.remarks += [f"{kind}/{split}: {line}" for line in describe_passed_over(listing, read)]
            found.append(
                [(PurePosixPath(name).with_suffix("").as_posix(), listing.files[name]) for name in sorted(read)]
            )
        images, masks = found
        return images, masks

    def _find_classes(self, tree: Tree) -> tuple[str, File]:
        """Find ``classes.yaml``, at the top or in the one folder that the dataset was packed with."""
        files = tree.files()
        if _FILE in files:
            return "", files[_FILE]
        below = [name for name in files if PurePosixPath(name).name == _FILE]
        if len(below) == 1 and len(PurePosixPath(below[0]).parts) == 2:
            return below[0].removesuffix(_FILE), files[below[0]]
        there = (
            f", but there is {', '.join(below[:3])}: data.root must be the folder around it, or this folder must be "
            "the top of the archive"
        )
        raise DataError(f"{tree.root} holds no {_FILE}{there if below else ''}. {self._wanted()}")

    @staticmethod
    def _suffixes() -> frozenset[str]:
        return picture_suffixes() | {".npy"}

    @property
    def labels(self) -> LabelSpace:
        """Return the table that ``classes.yaml`` describes."""
        return self._labels

    def read_ids(self, file: File) -> ByteArray:
        """Return the ids ``(H, W)`` that a mask holds, or that its colours stand for."""
        if self.color_code is None:
            return read_mask(file, self.max_pixels)
        return self.color_code.decode(read_colors(file, self.max_pixels))[0]


def read_classes(file: File) -> tuple[LabelSpace, ColorCode | None]:
    """Read the label table of a ``classes.yaml``, and its colours if masks are pictures in colours.

    Raises:
        DataError: the file is not YAML, a key is unknown or missing, or ids, names or colours are not possible.
    """
    text = file.read_bytes()
    try:
        content = yaml.safe_load(text)
        if not isinstance(content, dict) or not isinstance(content.get("classes"), list):
            raise ValueError("it has no list of classes")
        if unknown := content.keys() - {"name", "classes", "ignore", "masks"}:
            raise ValueError(f"unknown keys {sorted(map(str, unknown))}; it has name, classes, ignore and masks")
        kind = content.get("masks", "ids")
        if kind not in ("ids", "colors"):
            raise ValueError(f"masks is {kind!r}; it can be ids or colors")
        classes = [_label(row, train_id, kind) for train_id, row in enumerate(content["classes"])]
        usual = [] if any(label.id == IGNORE_INDEX for label in classes) else [IGNORE_INDEX]
        ignore = content.get("ignore", usual)
        if not isinstance(ignore, list):
            raise ValueError(f"ignore is {ignore!r}; it needs a list of ids")
        ignored = [_byte(id, "ignore") for id in ignore]
        void = [Label(f"ignored {id}", id, IGNORE_INDEX, (0, 0, 0)) for id in ignored]
        if repeated := {label.name for label in classes if [other.name for other in classes].count(label.name) > 1}:
            raise ValueError(f"class names must be unique, got {sorted(repeated)} more than once")
        labels = LabelSpace(str(content.get("name", _FILE)), [*classes, *void])
        return labels, _color_code(labels) if kind == "colors" else None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # PyYAML raises them all
        raise DataError(f"{file} can't be understood: {error}. It should look like\n\n{_EXAMPLE}") from error


def _label(row: Any, train_id: int, masks: str) -> Label:
    if isinstance(row, str):
        row = {"name": row}
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise ValueError(f"class {train_id} is {row!r}; it needs a name")
    if unknown := row.keys() - {"name", "id", "color"}:
        raise ValueError(
            f"class {row['name']}: unknown keys {sorted(map(str, unknown))}; a class has name, id and color"
        )
    if masks == "colors" and "color" not in row:
        raise ValueError(f"class {row['name']}: masks is colors, so the class needs a color")
    color = row.get("color", spread_color(train_id))
    if not isinstance(color, list | tuple) or len(color) != 3:
        raise ValueError(f"class {row['name']}: color is {color!r}; it must be three numbers")
    red, green, blue = (_byte(value, "color") for value in color)
    return Label(row["name"], _byte(row.get("id", train_id), "id"), train_id, (red, green, blue))


def _byte(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise ValueError(f"{what} holds {value!r}; it must hold whole numbers from 0 to 255")
    return value


def _color_code(labels: LabelSpace) -> ColorCode:
    ids = {label.color: label.id for label in labels.classes}
    if len(ids) < labels.num_classes:
        raise ValueError("masks is colors, so each class needs a colour of its own")
    void = [label.id for label in labels.labels if label.train_id == IGNORE_INDEX]
    if not void:
        raise ValueError("masks is colors, so ignore needs an id for colours that no class has")
    return ColorCode(ids, unknown=void[0])
