"""Get datasets and weights ready: ``python -m segrnn.prepare``, with the name of a function."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from rich.progress import track

from segrnn.atomic import is_taken, new_folder
from segrnn.config.augment import build_augmentation
from segrnn.config.data import build_dataset, read_repeats, settings_of
from segrnn.config.preparing import (
    PrepareCheck,
    PrepareDownload,
    PrepareExtract,
    PrepareImportKraken,
    PrepareImportPolygons,
    PrepareLook,
    PreparePack,
    PrepareStats,
)
from segrnn.dataset_tools import (
    Pack,
    describe_occurrence,
    describe_shared,
    describe_small,
    examine,
    extract_archive,
    for_each,
    new_pack,
    read_kraken,
)
from segrnn.dataset_tools.extract import require_space
from segrnn.dataset_tools.polygon_import import (
    FolderWriter,
    Reading,
    describe_faults,
    find_sources,
    make_labels,
    open_pictures,
)
from segrnn.dataset_tools.sharding import encode, mix, write_shards
from segrnn.datasets import Augmented, EndlessSampler, Sample, SegmentationDataset
from segrnn.datasets.channel_statistics import normalisation, sum_channels
from segrnn.datasets.digest import size_of
from segrnn.datasets.sharded import FORMAT, write_index
from segrnn.datasets.statistics import ClassStatistics, count_classes
from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.instantiate import call, instantiate
from segrnn.labels import IGNORE_INDEX
from segrnn.polygons import Notes, Painter
from segrnn.reports import print_statistics, write_sheet, write_statistics
from segrnn.terminal import PlainConsole
from segrnn.text import counted, tell


def download(config: PrepareDownload, run_dir: Path) -> list[Path]:
    """Download a dataset's archives into its root.

    Args:
        config: the configuration of ``conf/prepare_download.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The paths of the archives.

    Raises:
        SegrnnError: the configuration is at fault, or a file can't be downloaded, verified or written.
    """
    fetch = instantiate(config.download, "download", ("segrnn.dataset_tools.", *config.allow))
    archives: list[Path] = call(fetch, "download", Path(config.data.root))
    tell(f"{config.data.root}: {', '.join(path.name for path in archives) or 'there is nothing to download'}")
    return archives


def extract(config: PrepareExtract, run_dir: Path) -> list[Path]:
    """Extract an archive into a new folder, in full or not at all.

    Args:
        config: the configuration of ``conf/prepare_extract.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The files that were written.

    Raises:
        SegrnnError: the archive is broken or not safe to extract, or the folder can't be made.
    """
    files = extract_archive(Path(config.archive), Path(config.output), config.inside)
    tell(f"{len(files)} files in {config.output}")
    return files


def check(config: PrepareCheck, run_dir: Path) -> None:
    """Decode every image and label in full, and print each problem as a line.

    Args:
        config: the configuration of ``conf/prepare_check.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Raises:
        SegrnnError: at least one file has a problem, or there are no files.
    """
    console = PlainConsole(soft_wrap=True)
    data, count = config.data, 0
    fingerprints = {}
    for split in config.splits:
        dataset = build_dataset(data, split, config.allow, strict=False)
        pairs = for_each(dataset, examine, config.workers)
        examined = list(track(pairs, f"check {split}", total=len(dataset), console=console))
        problems = [*dataset.unlabelled, *dataset.orphans, *(each for pair in examined for each in pair.problems)]
        held = [pair.held for pair in examined if pair.held is not None]
        fingerprints[split] = [pair.fingerprint for pair in examined if pair.fingerprint is not None]
        remarks = [*dataset.remarks, *describe_occurrence(dataset, held)]
        if split == data.train_split:
            remarks += describe_small(dataset, held, data.crop, data.base_size)
        for line in (*problems, *remarks):
            console.print(line)
        console.print(f"{split}: {len(dataset)} pairs of image and label, {len(problems)} problems")
        count += len(problems)
    for line in describe_shared(fingerprints):
        console.print(line)
    if count:
        raise DataError(f"{count} problems in {data.root}, listed above")


def look(config: PrepareLook, run_dir: Path) -> Path:
    """Draw the first samples of a training, after all random changes, with their classes in colours over them.

    Args:
        config: the configuration of ``conf/prepare_look.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The picture.

    Raises:
        SegrnnError: the configuration is at fault, an image can't be read, or the picture can't be written.
    """
    data, output = config.data, Path(config.output)
    dataset = build_dataset(data, data.train_split, config.allow)
    augmentation = build_augmentation(data, dataset.labels.num_classes, config.seed, config.allow)
    augmented = Augmented(dataset, augmentation)
    order = EndlessSampler(len(dataset), config.seed, repeats=read_repeats(data, dataset), shuffle=dataset.shuffle)
    samples = []
    for counter, index in track(islice(order, config.count), "draw", total=config.count):
        image, mask = augmented[counter, index]
        samples.append(Sample(image.permute(1, 2, 0).numpy(), mask.numpy(), dataset.pairs[index].name))
    write_sheet(samples, dataset.labels, output)
    tell(f"{output}: {counted(len(samples), 'sample')}, as a training with seed={config.seed} begins")
    return output


def stats(config: PrepareStats, run_dir: Path) -> Path:
    """Count the pixels of each class in every label of a split, and print and write the statistics.

    If images are not photos of 8 bits, mean and standard deviation of their channels are printed, too.

    Args:
        config: the configuration of ``conf/prepare_stats.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The file of the statistics, for ``data.stats=``.

    Raises:
        SegrnnError: a label can't be read, or the file can't be written.
    """
    data, output = config.data, Path(config.output)
    dataset = build_dataset(data, data.train_split, config.allow)
    counts = list(track(for_each(dataset, count_classes, config.workers), "count", total=len(dataset)))
    names = tuple(pair.name for pair in dataset.pairs)
    statistics = ClassStatistics(dataset.labels.class_names, names, np.stack(counts))
    write_statistics(statistics, output)
    print_statistics(statistics, f"{len(dataset)} images, {data.train_split} of {data.name}")
    tell(
        f"{output}: with data.stats={output}, loss=weighted_cross_entropy uses its weights, and "
        "data.repeat_threshold=<share> shows images of rare classes more often"
    )
    if not dataset.bands.are_rgb:  # of photos, the encoder knows them
        found = for_each(dataset, sum_channels, config.workers)
        mean, std = normalisation(list(track(found, "measure channels", total=len(dataset))))
        tell(f"encoder.mean={mean} encoder.std={std} normalises the images".replace(", ", ","))
    return output


def pack(config: PreparePack, run_dir: Path) -> Path:
    """Copy a dataset to arrays that need no decoding, for ``data=folder``, or to shards, for ``data.stream=``.

    Args:
        config: the configuration of ``conf/prepare_pack.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The folder of the arrays or the shards.

    Raises:
        SegrnnError: a file can't be read, the folder is not empty, or the disk is too small.
    """
    output = Path(config.output)
    datasets = [build_dataset(config.data, split, config.allow) for split in config.splits]
    if config.format == FORMAT:
        return _pack_shards(config, datasets, output)
    size = 0
    with new_pack(datasets, output) as draft:
        for dataset in datasets:
            written = for_each(dataset, Pack(draft), config.workers)
            size += sum(track(written, f"pack {dataset.split}", total=len(dataset)))
    tell(f"{size / 1e9:.2f} GB in {output}: train on it with data=folder data.root={output} and the crops of your data")
    return output


def _pack_shards(config: PreparePack, datasets: Sequence[SegmentationDataset], output: Path) -> Path:
    if joined := next((dataset.split for dataset in datasets if "+" in dataset.split), None):
        raise ConfigError(
            f"splits has {joined}, but each split has shards of its own: write splits=[{joined.replace('+', ',')}]. "
            f"data.train_split={joined} then trains on them together"
        )
    packed = {}
    with new_folder(output) as draft:
        require_space(draft, sum(size_of(file) for dataset in datasets for pair in dataset.pairs for file in pair[:2]))
        for dataset in datasets:
            stored = mix(dataset) if dataset.split in config.data.train_split.split("+") else dataset
            samples = track(for_each(stored, encode, config.workers), f"pack {dataset.split}", total=len(dataset))
            packed[dataset.split] = list(write_shards(draft, dataset.split, samples, int(1e6 * config.shard_mb)))
        write_index(draft, config.data.name, settings_of(config.data), datasets[0].labels, packed)
    shards = [shard for each in packed.values() for shard, _ in each]
    size = sum(shard.size for shard in shards)
    tell(
        f"{counted(len(shards), 'shard')} with {size / 1e9:.2f} GB in {output}: train on them with "
        f"data={config.data.name} data.stream={output}, or copy the folder to a store and give its address"
    )
    return output


def import_kraken(config: PrepareImportKraken, run_dir: Path) -> Path:
    """Write the bundle of a trained segmentation model of kraken.

    Args:
        config: the configuration of ``conf/prepare_import_kraken.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The folder of the bundle.

    Raises:
        SegrnnError: the file is missing, damaged or another model, or the folder can't be written.
    """
    predictor, output = read_kraken(Path(config.file), config.kinds), Path(config.output)
    predictor.save(output)
    names = ", ".join(predictor.info.labels.class_names)
    tell(f"{output}: {names}. python -m segrnn.predict ckpt={output} input=<pages> output=<masks> labels pages with it")
    return output


def import_polygons(config: PrepareImportPolygons, run_dir: Path) -> Path:
    """Make a folder of pictures and masks, with their classes, from the polygons of an annotation tool.

    Pictures and areas that can't be used are left out, and are named and counted at the end.

    Args:
        config: the configuration of ``conf/prepare_import_polygons.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The folder, for ``data=folder``.

    Raises:
        SegrnnError: the source can't be read or has another format, no picture is left, or the folder can't be made.
    """
    output, notes = Path(config.output), Notes()
    if is_taken(output):
        raise OutputError(f"output={output} is not empty: choose a new folder")
    reading = Reading(config.format, notes)
    for place, split in ((config.source, "train" if config.val_source else ""), (config.val_source, "val")):
        if place:
            sources = find_sources(Path(place), config.format)
            pictures = open_pictures(Path(place), config.images)
            for source in track(sources, description="read"):
                reading.add(source, pictures, split)
    if not any(entry.annotated.shapes for entry in reading.entries):
        raise DataError("\n".join(["nothing can be imported:", *describe_faults(reading.faults), *notes.lines()]))
    labels = make_labels(reading.class_names(config.classes), config.background)
    background = 0 if config.background else IGNORE_INDEX
    painter = Painter(labels.class_names, config.classes, background)
    with new_folder(output) as draft:
        writer = FolderWriter(draft, labels, painter, reading.splits(), notes)
        writer.write_classes(config.val)
        faults = list(reading.faults)
        for entry in track(reading.entries, description="paint"):
            try:
                writer.write(entry)
            except DataError as error:
                faults.append(str(error))
        remarks = [*describe_faults(faults), *notes.lines()]
        if not writer.count:
            raise DataError("nothing can be imported:\n" + "\n".join(remarks))
    for remark in remarks:
        tell(remark)
    tell(f"{writer.count} pictures with masks in {output}, of the classes {', '.join(labels.class_names)}")
    tell(f"python -m segrnn.train data=folder data.root={output} data.crop=[<height>,<width>] trains on them")
    return output
