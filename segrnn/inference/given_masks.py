"""Masks that others wrote for the images of a dataset."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from segrnn.datasets import Sample, SegmentationDataset
from segrnn.datasets.files import FilePair
from segrnn.errors import DataError
from segrnn.images.label_files import ids_of, open_label
from segrnn.images.object_store import Remote
from segrnn.images.reading import picture_suffixes
from segrnn.images.shards import Part
from segrnn.images.storage import File, Member, Tree
from segrnn.inference.submission import Rules, rules_for
from segrnn.labels.space import ByteArray
from segrnn.text import counted, nearest


class GivenMasks:
    """Finds and reads the masks for the samples of a dataset. They may come from any program.

    A mask has its image's name without the suffix. For Cityscapes and ADE20K, the part of the name that their servers
    ask for is enough. If several masks have this name, the one whose folders agree with those of the image is taken.

    Args:
        source: a folder, which is searched with its subfolders, or a zip archive.
        dataset: the images with their labels.
        say: gets a line about files that belong to no image.

    Raises:
        DataError: an image has no mask, or it is not clear which mask belongs to it.
    """

    def __init__(self, source: Path | Remote, dataset: SegmentationDataset, say: Callable[[str], None]) -> None:
        self.dataset = dataset
        try:
            files = Tree(source, archives=False).files()
        except OSError as error:
            raise DataError(f"masks={source} can't be read: {error}") from error
        suffixes = picture_suffixes()
        rules = rules_for(dataset.labels)
        masks: dict[str, list[str]] = defaultdict(list)
        for name in files:
            if PurePosixPath(name).suffix.lower() in suffixes:
                masks[_key(rules, PurePosixPath(name).stem)].append(name)
        self.files = {pair.name: files[name] for pair, name in _match(source, dataset, rules, masks).items()}
        if left := sum(map(len, masks.values())) - len(self.files):
            say(f"{source}: {counted(left, 'picture')} that no image of the split {dataset.split!r} is named like")

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """Return the train ids and the ids of labels in the mask of a sample, both ``(H, W)``.

        Raises:
            DataError: the mask is damaged, lossy or of another size than the label, or holds foreign ids.
        """
        file = self.files[sample.name]
        ids = self._read_ids(file)
        if ids.shape != sample.mask.shape:
            (height, width), (wanted_height, wanted_width) = ids.shape, sample.mask.shape
            raise DataError(
                f"{file} is {width} x {height}, but the label of {sample.name} is {wanted_width} x {wanted_height}: "
                "masks are scored at the size of the label"
            )
        return self.dataset.encode(file, ids), ids

    def _read_ids(self, file: File) -> ByteArray:
        if self.dataset.color_code is not None:  # its labels are pictures in colours, but a mask may hold ids
            decoded = open_label(file, self.dataset.max_pixels)
            if decoded.picture.mode not in ("RGB", "RGBA", "P"):
                return ids_of(decoded, file)
        return self.dataset.read_ids(file)


def _key(rules: Rules, stem: str) -> str:
    """Return the part of a file's stem that an image and its mask have in common."""
    match = re.match(rules.images, stem)
    return stem if match is None else match[1]


def _match(
    source: Path | Remote, dataset: SegmentationDataset, rules: Rules, masks: dict[str, list[str]]
) -> dict[FilePair, str]:
    """Return the mask of each pair of image and label."""
    found: dict[FilePair, str] = {}
    owners: dict[str, File] = {}
    missing = []
    for pair in dataset.pairs:
        candidates = masks.get(_key(rules, pair.image.stem), [])
        if not candidates:
            missing.append(pair)
            continue
        shared = {name: _shared_folders(PurePosixPath(name), pair.image) for name in candidates}
        best = [name for name in candidates if shared[name] == max(shared.values())]
        if len(best) > 1:
            raise DataError(
                f"masks={source}: both {best[0]} and {best[1]} could be the mask of {pair.image}: keep one of them, or "
                "put masks into folders as the images are"
            )
        if (other := owners.setdefault(best[0], pair.image)) is not pair.image:
            raise DataError(
                f"masks={source}: {best[0]} could be the mask of both {other} and {pair.image}: put masks into folders "
                "as the images are"
            )
        found[pair] = best[0]
    if missing:
        wanted = _key(rules, missing[0].image.stem)
        raise DataError(
            f"masks={source}: {len(missing)} of {len(dataset)} images of the split {dataset.split!r} have no mask, "
            f"e.g. {missing[0].image}. Its mask must be a picture named {wanted}{rules.ending}.png, in any folder"
            f"{nearest(wanted, masks)}"
        )
    return found


def _shared_folders(mask: PurePosixPath, image: File) -> int:
    """Return the number of folders that two paths have in common, counted from the files upwards."""
    of_image = PurePosixPath(image.inner if isinstance(image, Member | Part) else image.as_posix()).parts[-2::-1]
    count = 0
    for own, other in zip(mask.parts[-2::-1], of_image, strict=False):
        if own != other:
            break
        count += 1
    return count
