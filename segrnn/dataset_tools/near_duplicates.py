"""Finding images that two splits share, even if they were saved again at another size or quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from PIL import Image

from segrnn.datasets.files import SegmentationDataset
from segrnn.images import ImageArray, as_photo

_HASH, _THUMB = 8, 32
"""The sides of a difference hash and of a thumbnail."""

_BITS, _CORRELATION = 4, 0.93
"""The most bits in which the hashes of one picture differ, and the least correlation of its thumbnails.

Frames of one drive that are not the same differ in more bits, and a frame that is saved again, smaller and as a JPEG,
in fewer. Pages of one book have hashes as near as this, and their thumbnails tell them apart.
"""

_NAMED = 10
"""The most images that are named."""

_TOO_GOOD = "a score is too good, because it is measured on images of the training: keep such images in one split"

_PART = 256
"""The number of images that are compared with all others at a time."""


@dataclass(frozen=True)
class Fingerprint:
    """A small description of an image.

    Args:
        name: the name of the sample.
        bits: the signs of the image's difference hash, 1 or -1, int8 ``(64,)``.
        thumb: the image as a grey thumbnail of mean 0 and norm 1, float32 ``(1024,)``. A flat image has zeros.
    """

    name: str
    bits: np.ndarray
    thumb: np.ndarray


def fingerprint(name: str, image: ImageArray) -> Fingerprint:
    """Return the fingerprint of an image ``(H, W, C)``.

    Args:
        name: the name of the sample.
        image: the pixels.
    """
    grey = Image.fromarray(as_photo(image)).convert("L")
    steps = np.diff(_shrink(grey, _HASH + 1, _HASH), axis=1)
    thumb = _shrink(grey, _THUMB, _THUMB).ravel()
    thumb -= thumb.mean()
    return Fingerprint(name, np.where(steps > 0, 1, -1).astype(np.int8).ravel(), thumb / max(np.linalg.norm(thumb), 1))


def _shrink(grey: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(grey.resize((width, height), Image.Resampling.BOX, reducing_gap=2), np.float32)


def describe_shared(splits: Mapping[str, Sequence[Fingerprint]]) -> list[str]:
    """Name the images of a split that look like an image of another split, one line for each two splits.

    Args:
        splits: the fingerprints of each split's images.
    """
    lines = []
    for (first, ours), (second, theirs) in combinations(splits.items(), 2):
        if not (alike := _find_alike(ours, theirs)):
            continue
        several = len(alike) > 1
        named = ", ".join(f"{new} like {old}" for new, old in alike[:_NAMED])
        more = f" and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
        lines.append(
            f"{len(alike)} image{'s' if several else ''} of {second} look{'' if several else 's'} like "
            f"{'images' if several else 'an image'} of {first}: {named}{more}: {_TOO_GOOD}"
        )
    return lines


def describe_same_files(ours: SegmentationDataset, theirs: SegmentationDataset) -> list[str]:
    """Say how many images of a split are files of another split too, in one line. No file is read."""
    files = {pair.image for pair in ours.pairs}
    names = [pair.name for pair in theirs.pairs if pair.image in files]
    if not names:
        return []
    what = f"{len(names)} of the {len(theirs)} images of {theirs.split}"
    return [f"{what} are images of {ours.split}, too, e.g. {names[0]}: {_TOO_GOOD}"]


def _find_alike(ours: Sequence[Fingerprint], theirs: Sequence[Fingerprint]) -> list[tuple[str, str]]:
    """Return the names of the second images that look like a first image, each with that image's name."""
    if not ours:
        return []
    bits = np.stack([each.bits for each in ours]).astype(np.float32)
    thumbs = np.stack([each.thumb for each in ours])
    found = []
    for start in range(0, len(theirs), _PART):
        part = theirs[start : start + _PART]
        apart = (bits.shape[1] - np.stack([each.bits for each in part]).astype(np.float32) @ bits.T) / 2
        for row, old in zip(*np.nonzero(apart <= _BITS), strict=True):
            correlation = float(part[row].thumb @ thumbs[old])
            if correlation >= _CORRELATION:
                found.append((start + int(row), correlation, int(old)))
    best = {row: old for row, _, old in sorted(found)}  # of several, the last one stays, which is the most alike
    return [(theirs[row].name, ours[old].name) for row, old in best.items()]
