"""Label tables and the look-ups that follow from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.errors import DataError

IGNORE_INDEX = 255
"""The train id of pixels that are neither trained on nor scored (void)."""

_FOREIGN = 254
"""The value in the encoding table for ids that the label table does not have."""

ByteArray = npt.NDArray[np.uint8]


class ForeignIdError(DataError):
    """The error for a label image with ids that its label table does not have."""

    def __init__(self, space: str, foreign: Sequence[int], present: Sequence[int]) -> None:
        super().__init__(f"ids {list(foreign)} are not in the {space} label table")
        self.foreign = tuple(foreign)
        self.present = tuple(present)


@dataclass(frozen=True)
class Label:
    """One row of a label table: ``id`` is used in the files on disk, ``train_id`` by the network.

    ``instance_size`` is the average size of an instance in pixels. It is None if a label's instances are not
    distinguished.
    """

    name: str
    id: int
    train_id: int
    color: tuple[int, int, int]
    category: str = ""
    instance_size: float | None = None

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Label":
        """Make a label from the primitives in a file. Columns that a label no longer has are skipped.

        Raises:
            ValueError: a column is missing, or its value is not possible.
        """
        kept = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        color, size = kept.get("color"), kept.get("instance_size")
        faults = {
            "name": not isinstance(kept.get("name"), str),
            "id": not is_whole(kept.get("id"), -1, IGNORE_INDEX),
            "train_id": not is_whole(kept.get("train_id"), -1, IGNORE_INDEX),
            "color": not (isinstance(color, list) and len(color) == 3 and all(is_whole(c, 0, 255) for c in color)),
            "category": not isinstance(kept.get("category", ""), str),
            "instance_size": not (size is None or (isinstance(size, int | float) and 0 < size < math.inf)),
        }
        for column, wrong in faults.items():
            if wrong:
                raise ValueError(f"a label has {column}={kept.get(column)!r}, which is not a valid value")
        return cls(**{**kept, "color": tuple(kept["color"])})

    @property
    def has_instances(self) -> bool:
        """Return whether the instances of the label are distinguished."""
        return self.instance_size is not None


class LabelSpace:
    """A dataset's label table with the look-ups derived from it.

    Args:
        name: the name of the table, for error messages.
        labels: the rows. Train ids are 0 to K-1 without gaps, or ``IGNORE_INDEX``; ids are unique.

    Raises:
        ValueError: train ids have gaps or repeats, ids have repeats, or the number of classes is not 1 to 253.

    Example:
        >>> space = LabelSpace("toy", [Label("void", 0, 255, (0, 0, 0)), Label("road", 7, 0, (128, 64, 128))])
        >>> space.encode(np.array([[0, 7]], dtype=np.uint8)).tolist()
        [[255, 0]]
        >>> space.decode(np.array([[255, 0]], dtype=np.uint8)).tolist()
        [[0, 7]]
    """

    def __init__(self, name: str, labels: Sequence[Label]) -> None:
        self.name = name
        self.labels = tuple(labels)
        self.classes = tuple(
            sorted((label for label in labels if label.train_id != IGNORE_INDEX), key=lambda label: label.train_id)
        )
        if [label.train_id for label in self.classes] != list(range(len(self.classes))):
            raise ValueError(
                f"{name}: each train id from 0 to K-1 must occur once, got {[c.train_id for c in self.classes]}"
            )
        if not 0 < len(self.classes) < _FOREIGN:
            raise ValueError(f"{name}: 1 to {_FOREIGN - 1} classes fit into a byte, got {len(self.classes)}")
        ids = [label.id for label in labels]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{name}: label ids must be unique, got {ids}")

    @property
    def num_classes(self) -> int:
        """Return the number of classes that are trained and scored."""
        return len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of their train ids."""
        return tuple(label.name for label in self.classes)

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the categories that have classes, in the order of their first class."""
        return tuple(dict.fromkeys(label.category for label in self.classes))

    @cached_property
    def _encoding(self) -> ByteArray:
        table = np.full(256, _FOREIGN, np.uint8)
        for label in self.labels:
            if label.id >= 0:  # Cityscapes' licence plate has the id -1: it exists in polygons, never in a mask
                table[label.id] = IGNORE_INDEX if label.train_id == IGNORE_INDEX else label.train_id
        return table

    @cached_property
    def _decoding(self) -> ByteArray:
        void = [label.id for label in self.labels if label.train_id == IGNORE_INDEX and label.id >= 0]
        table = np.full(256, min(void, default=0), np.uint8)
        for label in self.classes:
            table[label.train_id] = label.id
        return table

    @cached_property
    def palette(self) -> ByteArray:
        """Return the colour of each train id, ``(256, 3)``. Ids that are not classes are black."""
        table = np.zeros((256, 3), np.uint8)
        for label in self.classes:
            table[label.train_id] = label.color
        return table

    def encode(self, ids: ByteArray) -> ByteArray:
        """Map the ids on disk to train ids. The shape stays the same.

        Raises:
            ForeignIdError: the table does not have one of the ids.
        """
        mask = self._encoding[ids]
        if (mask == _FOREIGN).any():
            foreign = np.unique(ids[mask == _FOREIGN])
            raise ForeignIdError(self.name, foreign.tolist(), np.unique(ids).tolist())
        return mask

    def decode(self, mask: ByteArray) -> ByteArray:
        """Map train ids back to the ids on disk. The shape stays the same.

        ``IGNORE_INDEX`` becomes the lowest void id of the table that is not negative.
        """
        return self._decoding[mask]

    def colorize(self, mask: ByteArray) -> ByteArray:
        """Paint a mask of train ids: ``(H, W) -> (H, W, 3)``. Void is black."""
        return self.palette[mask]

    def with_void(self) -> "LabelSpace":
        """Return a table that has an id for void: this one, or one with such a row if it lacks it.

        The new id is 255, or the highest one that is free.

        Example:
            >>> space = LabelSpace("toy", [Label("road", 255, 0, (128, 64, 128))]).with_void()
            >>> space.decode(np.array([0, 255], dtype=np.uint8)).tolist()
            [255, 254]
        """
        if any(label.train_id == IGNORE_INDEX and label.id >= 0 for label in self.labels):
            return self
        free = max({*range(IGNORE_INDEX + 1)} - {label.id for label in self.labels})
        return LabelSpace(self.name, [*self.labels, Label("void", free, IGNORE_INDEX, (0, 0, 0))])

    def subset(self, name: str, class_names: Sequence[str]) -> "LabelSpace":
        """Return a table with the same ids but fewer classes. All other ids become void.

        Args:
            name: the name of the new table.
            class_names: the classes to keep. Their order gives the train ids.

        Raises:
            ValueError: a name is not a class of this table.
        """
        unknown = set(class_names) - set(self.class_names)
        if unknown:
            raise ValueError(f"{self.name} has no class {sorted(unknown)}; it has {list(self.class_names)}")
        train_ids = {class_name: train_id for train_id, class_name in enumerate(class_names)}
        return LabelSpace(
            name, [replace(label, train_id=train_ids.get(label.name, IGNORE_INDEX)) for label in self.labels]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table as primitives, for a checkpoint."""
        return {"name": self.name, "labels": [{**asdict(label), "color": list(label.color)} for label in self.labels]}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "LabelSpace":
        """Make a table from the primitives that `to_dict` returns.

        Raises:
            ValueError: a row or the name is not valid.
        """
        if not isinstance(table["name"], str):
            raise ValueError(f"the name of a label table must be a text, got {table['name']!r}")
        return cls(table["name"], [Label.from_dict(row) for row in table["labels"]])


def is_whole(value: Any, low: int, high: int) -> bool:
    """Return whether a value is a whole number from `low` to `high`, both included.

    Example:
        >>> is_whole(7, 0, 255), is_whole(True, 0, 255), is_whole(7.0, 0, 255)
        (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
