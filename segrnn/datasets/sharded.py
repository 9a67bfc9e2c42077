"""A dataset that was packed into the shards of a stream, and the order in which a training takes its images."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.datasets.files import FilePair, SegmentationDataset
from segrnn.errors import DataError
from segrnn.images.object_store import Remote, local_cache
from segrnn.images.reading import MAX_PIXELS
from segrnn.images.shards import INDEX, Part, Shard
from segrnn.images.storage import source_of
from segrnn.labels import LabelSpace
from segrnn.labels.space import is_whole
from segrnn.paths import safe_path
from segrnn.text import counted, nearest

FORMAT, VERSION = "webdataset", 1
"""The format of the shards, and the version of the index."""

MASK = ".mask.png"
"""The ending of the mask's name. Image and mask have the rest of the name in common, so WebDataset pairs them."""

_MIXED = 8
"""The number of shards whose images are mixed by default."""

_SPARE = 2
"""The number of shards that the cache must hold besides the mixed ones: loading processes are ahead of each other."""

_PACK = "python -m segrnn.prepare pack format=webdataset"


@dataclass(frozen=True)
class Entry:
    """A sample in a shard: a row of the index.

    Args:
        name: the sample's name.
        suffix: the suffix of the image's name, with its dot.
        image: the place of the image's first byte in the shard, its number of bytes and their CRC-32.
        mask: the same of the mask.
    """

    name: str
    suffix: str
    image: tuple[int, int, int]
    mask: tuple[int, int, int]

    def to_row(self) -> list[Any]:
        """Return the row of the index."""
        return [self.name, self.suffix, *self.image, *self.mask]

    @classmethod
    def from_row(cls, row: Any) -> "Entry":
        """Return the entry of a row.

        Raises:
            ValueError: the row has another form.
        """
        numbers = row[2:] if isinstance(row, list) else []
        if len(numbers) != 6 or not isinstance(row[0], str) or not isinstance(row[1], str):
            raise ValueError(f"a sample is {row!r}; it needs a name, a suffix and six numbers")
        if str(safe_path(row[0])) != row[0]:
            raise ValueError(f"a sample is called {row[0]!r}, which is not a path that every system allows")
        if not all(is_whole(number, 0, 2**63) for number in numbers):
            raise ValueError(f"the sample {row[0]!r} has {numbers!r}; it needs six whole numbers")
        return cls(row[0], row[1], tuple(numbers[:3]), tuple(numbers[3:]))


def write_index(
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    labels: LabelSpace,
    splits: Mapping[str, Sequence[tuple[Shard, Sequence[Entry]]]],
) -> None:
    """Write the index of a stream.

    Args:
        folder: the folder of the shards.
        name: the name of the dataset.
        settings: the class that has read the dataset, as ``_target_``, and its arguments.
        labels: the label table.
        splits: the shards of each split, with their samples.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "dataset": dict(settings),
        "labels": labels.to_dict(),
        "splits": {split: [_describe(*each) for each in shards] for split, shards in splits.items()},
    }
    (folder / INDEX).write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def _describe(shard: Shard, entries: Sequence[Entry]) -> dict[str, Any]:
    rows = [entry.to_row() for entry in entries]
    return {"file": shard.file.name, "bytes": shard.size, "sha256": shard.digest, "samples": rows}


class Sharded(SegmentationDataset):
    """A split of a dataset that ``prepare pack format=webdataset`` has packed into shards.

    The samples have the names, the pixels and the order that they have in the files. `shuffle` keeps images of one
    shard near each other, so that each shard is downloaded once in a pass and few of them lie on the disk.

    Args:
        root: the folder of the shards, or its address.
        split: the name of the split.
        mixed: the number of shards whose images are mixed.
        max_pixels: the most pixels of a picture.

    Attributes:
        name: the name of the dataset that was packed.
        settings: the class that has read the dataset, as ``_target_``, and its arguments.

    Raises:
        DataError: the index is missing, damaged or does not have the split.
    """

    def __init__(self, root: str, split: str, mixed: int = _MIXED, max_pixels: int = MAX_PIXELS) -> None:
        # the index replaces the search for files in a tree
        self.split, self.mixed, self.max_pixels = split, mixed, max_pixels
        self.unlabelled, self.orphans = [], []
        folder = source_of(root)
        self._index = folder / INDEX
        content = _read(self._index)
        try:
            self.name, self.settings = str(content["name"]), dict(content["dataset"])
            self._labels = LabelSpace.from_dict(content["labels"])
            packed = dict(content["splits"])
            shards = [_parse_shard(folder, each) for each in packed.get(split, [])]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            form = f"a part of it is missing or has another form ({error!r})"
            reason = error if type(error) is ValueError else form
            raise DataError(f"{self._index} is damaged: {reason}. Copy it again, or write it by {_PACK}") from error
        pairs = [_pair(shard, entry) for shard, entries in shards for entry in entries]
        if not pairs:
            raise DataError(
                f"{self._index} has no split {split!r}{nearest(split, packed)}; it has {', '.join(packed)}. Pack it, "
                f"too: {_PACK} data={self.name} splits=[{','.join([*packed, split])}]"
            )
        self.pairs = sorted(pairs, key=lambda pair: pair.name)
        size = sum(shard.size for shard, _ in shards)
        told = f"{counted(len(pairs), 'image')} in {counted(len(shards), 'shard')}, {size / 1e6:.1f} MB"
        self.remarks = [f"{split}: {told}, from {root}"]

    @property
    def labels(self) -> LabelSpace:
        """Return the label table that was packed."""
        return self._labels

    def shuffle(self, rng: np.random.Generator, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the indices of a pass in a random order that takes few shards at a time.

        The shards are put in a random order. Then each image moves by a random distance, up to half of the length of
        `mixed` shards. At both ends, images that would move too far are reflected. If there are no more than `mixed`
        shards, all orders are equally likely, and the order is that of files.

        Args:
            rng: the source of all chance.
            indices: the indices, ``(N,)``. Some may occur several times.

        Raises:
            DataError: the cache can't hold the shards that are mixed.
        """
        shards = [pair.image.shard for pair in self.pairs if isinstance(pair.image, Part)]
        numbers = {digest: number for number, digest in enumerate(dict.fromkeys(shard.digest for shard in shards))}
        self._require_room(shards, len(numbers))
        if len(numbers) <= self.mixed:
            return super().shuffle(rng, indices)
        number_of = np.array([numbers[shard.digest] for shard in shards])
        place = rng.permutation(len(numbers))[number_of[indices]]
        sizes = np.bincount(place, minlength=len(numbers))
        middle = np.cumsum(sizes) - sizes / 2
        width = self.mixed * len(indices) / len(numbers)
        moved = np.abs(middle[place] + width * (rng.random(len(indices)) - 0.5))
        moved = len(indices) - np.abs(len(indices) - moved)
        return indices[np.argsort(moved, kind="stable")]

    def _require_room(self, shards: Sequence[Shard], count: int) -> None:
        limit, largest = local_cache().limit, max(shard.size for shard in shards)
        needed = min(self.mixed + _SPARE, count)
        if isinstance(self._index, Remote) and 0 < limit < needed * largest:
            raise DataError(
                f"the cache of this machine holds {limit / 1e9:g} GB, but {self._index} names shards of up to "
                f"{largest / 1e6:.1f} MB, of which {needed} are needed at a time: set "
                f"SEGRNN_CACHE_GB={math.ceil(needed * largest / 1e6) / 1e3:g} or more, lower "
                f"data.mixed_shards={self.mixed}, or pack smaller shards by shard_mb="
            )


def _read(index: Path | Remote) -> dict[str, Any]:
    try:
        text = index.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{index} does not exist: data.stream= needs the folder that {_PACK} has written") from None
    except OSError as error:
        raise DataError(f"{index} can't be read: {error}") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{index} ({len(text)} bytes) is damaged: {error}. Copy it again, or write it by {_PACK}"
        ) from error
    found = [content.get(key) for key in ("format", "version")] if isinstance(content, dict) else [type(content)]
    if found != [FORMAT, VERSION]:
        raise DataError(
            f"{index} says {' '.join(map(str, found))} instead of {FORMAT} {VERSION}: it is not the index of a stream, "
            f"or another version of segrnn has written it. Write it by {_PACK}"
        )
    return dict(content)


def _parse_shard(folder: Path | Remote, row: Any) -> tuple[Shard, list[Entry]]:
    name, size, digest = row["file"], row["bytes"], row["sha256"]
    if not isinstance(name, str) or not name or {"/", "\\"} & {*name} or name.startswith("."):
        raise ValueError(f"a shard has file: {name!r}; it needs the name of a file beside the index")
    if not is_whole(size, 0, 2**63) or not isinstance(digest, str):
        raise ValueError(f"the shard {name} has bytes: {size!r} and sha256: {digest!r}; it needs a number and a text")
    entries = [Entry.from_row(each) for each in row["samples"]]
    for entry in entries:
        if max(start + length for start, length, _ in (entry.image, entry.mask)) > size:
            raise ValueError(f"the sample {entry.name!r} ends after the end of {name}, which has {size} bytes")
    return Shard(folder / name, size, digest), entries


def _pair(shard: Shard, entry: Entry) -> FilePair:
    image = Part(shard, f"{entry.name}{entry.suffix}", *entry.image)
    return FilePair(image, Part(shard, f"{entry.name}{MASK}", *entry.mask), entry.name)
