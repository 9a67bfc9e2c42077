"""Add variants of pages to a dataset: ``python -m segrnn.prepare paste_zones``."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from rich.progress import track

from segrnn.atomic import new_folder
from segrnn.config.data import build_dataset
from segrnn.config.preparing import PreparePasteZones
from segrnn.dataset_tools import for_each
from segrnn.dataset_tools.packing import require_portable
from segrnn.dataset_tools.zone_pasting import Paster, Zone, find_zones
from segrnn.datasets import Sample, SegmentationDataset
from segrnn.datasets.mask_folder import MaskFolder
from segrnn.errors import ConfigError, DataError
from segrnn.images import as_photo
from segrnn.labels import LabelSpace
from segrnn.text import counted, nearest, tell


def paste_zones(config: PreparePasteZones, run_dir: Path) -> Path:
    """Copy a dataset of pages, and add variants of the training pages with zones that they do not have.

    Args:
        config: the configuration of ``conf/prepare_paste_zones.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The folder, for ``data=folder``. It is there whole or not at all.

    Raises:
        SegrnnError: a class does not exist, a page can't be read, no zone can be pasted, or the folder can't be made.
    """
    data, output = config.data, Path(config.output)
    datasets = [build_dataset(data, split, config.allow) for split in config.splits]
    train = next((dataset for dataset in datasets if dataset.split == data.train_split), None)
    if train is None:
        raise ConfigError(f"splits={config.splits} does not have data.train_split={data.train_split}: add it")
    if not train.bands.are_rgb:
        raise ConfigError("paste_zones needs pictures with three channels of 8 bits")
    body, background = (
        _number(train.labels, "body", config.body),
        _number(train.labels, "background", config.background),
    )
    labels = [_number(train.labels, "classes", name) for name in config.classes]
    if shared := {config.body, config.background} & {*config.classes}:
        raise ConfigError(f"classes has {', '.join(sorted(shared))}, which is the body or the background: leave it out")

    found = for_each(train, partial(_find, body=body, labels=labels), config.workers)
    zones = [zone for own in track(found, "find zones", total=len(train)) for zone in own]
    for name in _missing(train.labels, labels, zones):
        tell(f"no page of {train.split} has a body and a zone {name!r} that could be pasted")
    if not zones:
        raise DataError(f"{data.root}: nothing can be pasted from {counted(len(train), 'page')} of {train.split}")
    paster = Paster(zones, body, background, config.chance, config.own_print)
    with new_folder(output) as draft:
        MaskFolder(draft).write_classes(train.labels.with_void(), None)
        pasted: Counter[int] = Counter()
        for dataset in datasets:
            variants = config.variants if dataset is train else 0
            task = _Writer(draft, paster, variants, config.seed)
            for own in track(for_each(dataset, task, config.workers), f"write {dataset.split}", total=len(dataset)):
                pasted.update(own)
        if not pasted:
            raise DataError(f"no page of {train.split} has bare paper for a zone that it lacks")
    counts = ", ".join(f"{train.labels.class_names[label]} {pasted[label]}" for label in labels)
    tell(f"zones were pasted: {counts}")
    tell(f"python -m segrnn.train data=folder data.root={output} trains on the copy and the variants")
    return output


def _number(labels: LabelSpace, key: str, name: str) -> int:
    names = labels.class_names
    if name not in names:
        raise ConfigError(f"{key} has {name!r}{nearest(name, names)}; the classes are {', '.join(names)}")
    return names.index(name)


def _find(dataset: SegmentationDataset, index: int, body: int, labels: list[int]) -> list[Zone]:
    return find_zones(dataset[index], body, labels)


def _missing(labels: LabelSpace, wanted: Iterable[int], zones: Iterable[Zone]) -> list[str]:
    found = {zone.label for zone in zones}
    return [labels.class_names[label] for label in wanted if label not in found]


@dataclass(frozen=True)
class _Writer:
    """Writes a page and its variants. It is a task for `for_each`."""

    root: Path
    paster: Paster
    variants: int
    seed: int

    def __call__(self, dataset: SegmentationDataset, index: int) -> list[int]:
        """Return the classes of all zones that were pasted."""
        pair, sample = dataset.pairs[index], dataset[index]
        require_portable(pair)
        folder, ids = MaskFolder(self.root), dataset.labels.with_void()
        folder.write(
            PurePosixPath(dataset.split, f"{pair.name}{pair.image.suffix}"), pair.image, ids.decode(sample.mask)
        )
        pasted = []
        for number in range(self.variants):
            variant = self.paster(sample, np.random.default_rng([self.seed, index, number]))
            if variant is not None:
                path = PurePosixPath(dataset.split, f"variant_{number + 1}", f"{pair.name}.png")
                folder.write(path, as_photo(variant.image), ids.decode(variant.mask))
                pasted += _new(sample, variant)
        return pasted


def _new(sample: Sample, variant: Sample) -> list[int]:
    return [int(label) for label in np.setdiff1d(variant.mask, sample.mask)]
