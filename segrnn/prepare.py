"""Get datasets ready: ``python -m segrnn.prepare download``, ``extract``."""

from pathlib import Path

from omegaconf import DictConfig

from segrnn.config.command import run_subcommand


def download(cfg: DictConfig) -> list[Path]:
    """Fetch a dataset's archives into its root.

    Args:
        cfg: composed from ``conf/prepare_download.yaml``.

    Returns:
        Where they are.

    Raises:
        SegrnnError: the configuration is at fault, or a file can't be had, verified or written.
    """
    from segrnn.config.build import build, call
    from segrnn.config.schema import PrepareDownload, check

    config = check(cfg, PrepareDownload)
    fetch = build(config["download"], "download", allow=("segrnn.datasets.",))
    archives: list[Path] = call(fetch, "download", Path(config["data"]["root"]))
    print(f"{config['data']['root']}: {', '.join(path.name for path in archives) or 'there is nothing to download'}")
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
    print(f"{len(files)} files in {config['output']}")
    return files


def main() -> None:
    """The command."""
    run_subcommand("prepare", {"download": lambda cfg, _: download(cfg), "extract": lambda cfg, _: extract(cfg)})


if __name__ == "__main__":
    main()
