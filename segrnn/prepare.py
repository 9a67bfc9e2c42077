"""Get datasets ready: ``python -m segrnn.prepare download``, ``extract``, ``check``, ``stats``, ``pack``."""

from pathlib import Path

from omegaconf import DictConfig

from segrnn.config.command import run_subcommand
from segrnn.text import tell


def download(cfg: DictConfig) -> list[Path]:
    """Fetch a dataset's archives into its root.

    Args:
        cfg: composed from ``conf/prepare_download.yaml``.

    Returns:
        Where they are.

    Raises:
        SegrnnError: the configuration is at fault, or a file can't be had, verified or written.
    """
    from segrnn.components import build, call
    from segrnn.config.schema import PrepareDownload, check

    config = check(cfg, PrepareDownload)
    fetch = build(config["download"], "download", ("segrnn.datasets.", *config["allow"]))
    archives: list[Path] = call(fetch, "download", Path(config["data"]["root"]))
    tell(f"{config['data']['root']}: {', '.join(path.name for path in archives) or 'there is nothing to download'}")
    return archives


def extract(cfg: DictConfig) -> list[Path]:
    """Extract an archive into a new folder, in full or not at all.

    Args:
        cfg: composed from ``conf/prepare_extract.yaml``.

    Returns:
        The files that were written.

    Raises:
        SegrnnError: the archive is broken or not to be trusted, or the folder can't be made.
    """
    from segrnn.config.schema import PrepareExtract, check
    from segrnn.datasets.extract import extract_archive

    config = check(cfg, PrepareExtract)
    files = extract_archive(Path(config["archive"]), Path(config["output"]), config["inside"])
    tell(f"{len(files)} files in {config['output']}")
    return files


def check_files(cfg: DictConfig) -> None:
    """Decode every image and label in full and print what is wrong with them, one line each.

    Args:
        cfg: composed from ``conf/prepare_check.yaml``.

    Raises:
        SegrnnError: something is wrong with at least one file, or there are none.
    """
    from rich.progress import track

    from segrnn.config.data import build_dataset
    from segrnn.config.schema import PrepareCheck, check
    from segrnn.datasets.checking import find_problems
    from segrnn.datasets.occurrence import describe_occurrence, look
    from segrnn.datasets.parallel import for_each
    from segrnn.errors import DataError
    from segrnn.reports import PlainConsole

    config = check(cfg, PrepareCheck)
    console = PlainConsole(soft_wrap=True)
    count = 0
    for split in config["splits"]:
        dataset = build_dataset(config["data"], split, config["allow"], strict=False)
        found = for_each(dataset, find_problems, config["workers"])
        per_pair = list(track(found, f"check {split}", total=len(dataset), console=console))
        of_split = [*dataset.unlabelled, *dataset.orphans, *(problem for some in per_pair for problem in some)]
        for problem in of_split:
            console.print(problem)
        remarks = list(dataset.remarks)
        if not of_split:  # or a label can't be read
            held = track(for_each(dataset, look, config["workers"]), f"look at {split}", len(dataset), console=console)
            remarks += describe_occurrence(dataset, list(held))
        for remark in remarks:
            console.print(remark)
        console.print(f"{split}: {len(dataset)} pairs of image and label, {len(of_split)} problems")
        count += len(of_split)
    if count:
        raise DataError(f"{count} problems in {config['data']['root']}, listed above")


def stats(cfg: DictConfig) -> Path:
    """Count the pixels of each class in every label of a split; print and write what follows from it.

    Args:
        cfg: composed from ``conf/prepare_stats.yaml``.

    Returns:
        The file, for ``data.stats=``.

    Raises:
        SegrnnError: a label can't be read, or the file can't be written.
    """
    import numpy as np
    from rich.progress import track

    from segrnn.config.data import build_dataset
    from segrnn.config.schema import PrepareStats, check
    from segrnn.datasets.parallel import for_each
    from segrnn.datasets.statistics import ClassStatistics, count_classes
    from segrnn.reports import print_statistics, write_statistics

    config = check(cfg, PrepareStats)
    data, output = config["data"], Path(config["output"])
    dataset = build_dataset(data, data["train_split"], config["allow"])
    counts = list(track(for_each(dataset, count_classes, config["workers"]), "count", total=len(dataset)))
    names = tuple(pair.name for pair in dataset.pairs)
    statistics = ClassStatistics(dataset.labels.class_names, names, np.stack(counts))
    write_statistics(statistics, output)
    print_statistics(statistics, f"{len(dataset)} images, {data['train_split']} of {data['name']}")
    tell(
        f"{output}: with data.stats={output}, loss=weighted_cross_entropy weights classes by it, and "
        "data.repeat_threshold=<share> shows images of rare classes more often"
    )
    return output


def pack(cfg: DictConfig) -> Path:
    """Copy a dataset to arrays that need no decoding, in a folder that ``data=folder`` reads.

    Args:
        cfg: composed from ``conf/prepare_pack.yaml``.

    Returns:
        The folder.

    Raises:
        SegrnnError: a file can't be read, the folder is not empty, or the disk is too small.
    """
    from rich.progress import track

    from segrnn.config.data import build_dataset
    from segrnn.config.schema import PreparePack, check
    from segrnn.datasets.packing import Pack, new_pack
    from segrnn.datasets.parallel import for_each

    config = check(cfg, PreparePack)
    output = Path(config["output"])
    datasets = [build_dataset(config["data"], split, config["allow"]) for split in config["splits"]]
    size = 0
    with new_pack(datasets, output) as draft:
        for dataset in datasets:
            written = for_each(dataset, Pack(draft), config["workers"])
            size += sum(track(written, f"pack {dataset.split}", total=len(dataset)))
    tell(f"{size / 1e9:.2f} GB in {output}: train on it with data=folder data.root={output} and the crops of your data")
    return output


def main() -> None:
    """The command."""
    run_subcommand(
        "prepare",
        {
            "download": lambda cfg, _: download(cfg),
            "extract": lambda cfg, _: extract(cfg),
            "check": lambda cfg, _: check_files(cfg),
            "stats": lambda cfg, _: stats(cfg),
            "pack": lambda cfg, _: pack(cfg),
        },
    )


if __name__ == "__main__":
    main()
