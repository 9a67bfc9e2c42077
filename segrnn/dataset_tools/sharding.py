"""Writing a dataset to shards for streaming: tar files in the format of WebDataset, and an index beside them."""

import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np
from PIL import Image

from segrnn.dataset_tools.packing import require_portable
from segrnn.datasets.files import SegmentationDataset
from segrnn.datasets.sharded import MASK, Entry
from segrnn.images import ImageArray
from segrnn.images.shards import Shard

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Encoded:
    """A sample as it is stored.

    Args:
        name: the sample's name.
        suffix: the suffix of the image's name, with its dot.
        image: the bytes of the image's file.
        mask: the bytes of a PNG file with the ids of the label.
    """

    name: str
    suffix: str
    image: bytes
    mask: bytes


def encode(dataset: SegmentationDataset, index: int) -> Encoded:
    """Return a sample as it is stored, after checking that it can be trained on. This is a task for `for_each`.

    The bytes of the image's file stay as they are. A packed array becomes a PNG file.

    Raises:
        DataError: the sample can't be trained on, or its name leads elsewhere or is not portable.
    """
    pair = dataset.pairs[index]
    require_portable(pair)
    pixels, ids = dataset.read_pixels(pair.image), dataset.read_ids(pair.label)
    dataset.sample(pair, pixels, ids)  # an error if it can't be trained on
    suffix = pair.image.suffix.lower()
    if suffix == ".npy" and dataset.bands.are_rgb:
        return Encoded(pair.name, ".png", _as_png(pixels), _as_png(ids))
    return Encoded(pair.name, suffix, pair.image.read_bytes(), _as_png(ids))


def _as_png(pixels: ImageArray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def mix(dataset: SegmentationDataset) -> SegmentationDataset:
    """Return a split in a random order, which is always the same.

    Neighbours in a list are often alike, for example frames of a video. A shard of neighbours would make batches that
    are alike.
    """
    mixed = copy(dataset)
    mixed.pairs = [dataset.pairs[index] for index in np.random.default_rng(0).permutation(len(dataset))]
    return mixed


def write_shards(
    folder: Path, split: str, samples: Iterable[Encoded], limit: int
) -> Iterator[tuple[Shard, list[Entry]]]:
    """Write samples to the tar files ``<split>-00000.tar``, ``<split>-00001.tar`` and so on.

    The same samples give the same bytes on every machine.

    Args:
        folder: the folder of the shards.
        split: the name of the split.
        samples: the samples, in the order in which they are stored.
        limit: the number of bytes from which on a shard is full.

    Yields:
        Each shard with its samples.

    Raises:
        OSError: a file can't be written.
    """
    waiting = iter(samples)
    sample = next(waiting, None)
    number = 0
    while sample is not None:
        path = folder / f"{split}-{number:05d}.tar"
        entries: list[Entry] = []
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            while sample is not None and (not entries or archive.offset < limit):
                entries.append(_add(archive, sample))
                sample = next(waiting, None)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        yield Shard(path, path.stat().st_size, digest), entries
        number += 1


def key_of(name: str) -> str:
    """Return the path of a sample in its shard, without suffixes. WebDataset ends it at the first dot after a slash.

    Example:
        >>> key_of("a.b/c.d")
        'a.b/c%2Ed'
    """
    folder, slash, last = name.replace("%", "%25").rpartition("/")
    return f"{folder}{slash}{last.replace('.', '%2E')}"


def _add(archive: tarfile.TarFile, sample: Encoded) -> Entry:
    key = key_of(sample.name)
    image = _add_file(archive, f"{key}{sample.suffix}", sample.image)
    return Entry(sample.name, sample.suffix, image, _add_file(archive, f"{key}{MASK}", sample.mask))


def _add_file(archive: tarfile.TarFile, name: str, content: bytes) -> tuple[int, int, int]:
    """Add a file. Return the place of its first byte, the number of its bytes and their CRC-32."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    archive.addfile(header, io.BytesIO(content))
    blocks = -(-len(content) // _BLOCK)
    return archive.offset - blocks * _BLOCK, len(content), zlib.crc32(content)
