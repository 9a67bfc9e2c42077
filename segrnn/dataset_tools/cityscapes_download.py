"""Downloading Cityscapes with its authors' downloader, which needs an account. No half file takes a package's place."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from segrnn.dataset_tools.download import insist
from segrnn.dataset_tools.extract import check_zip, require_space
from segrnn.errors import DataError, DownloadError, SegrnnError

if TYPE_CHECKING:
    from requests import Session

SITE = "https://www.cityscapes-dataset.com/downloads/"


def download_packages(folder: Path, packages: Sequence[str]) -> list[Path]:
    """Download packages of the Cityscapes site, or verify those that are there already.

    The downloader asks for the account on the terminal, and offers to remember it. An unfinished package lies in
    ``folder/part/``. A later call continues it.

    Args:
        folder: the folder for the packages. It is made if it does not exist.
        packages: the names of the files on the site.

    Returns:
        The packages' paths.

    Raises:
        DownloadError: cityscapesscripts is not installed, the site refuses the account or a package, or a file has
            another checksum than the site says.
        OutputError: `folder` can't be written to, or has no room.
    """
    paths = [folder / name for name in packages]
    for path in (path for path in paths if path.exists()):
        try:
            check_zip(path)
        except DataError as error:
            raise DownloadError(f"{error}\n{path} existed already: remove it to download it again") from error
    if missing := [path for path in paths if not path.exists()]:
        _download(folder, missing)
    return paths


def _download(folder: Path, paths: Sequence[Path]) -> None:
    try:
        from cityscapesscripts.download import downloader
    except ImportError as error:
        raise DownloadError(
            "the downloader of Cityscapes is not installed: pip install cityscapesscripts.\n"
            f"Or log in at {SITE} and save {', '.join(path.name for path in paths)} in {folder}"
        ) from error
    parts = folder / "part"
    try:
        session = downloader.login()
        parts.mkdir(parents=True, exist_ok=True)
        offered = {package["name"]: package["size"] for package in downloader.get_available_packages(session=session)}
        sizes = [downloader.parse_size_to_bytes(offered[path.name]) for path in paths if path.name in offered]
        require_space(folder, int(sum(sizes)) - sum(part.stat().st_size for part in parts.iterdir()))
        for path in paths:
            part = parts / path.name
            insist(partial(_continue, downloader, session, part), part, path.name)
            part.replace(path)
        if not any(parts.iterdir()):
            parts.rmdir()
    except SegrnnError:
        raise
    except Exception as error:  # the downloader raises plain exceptions
        reason = str(error) or type(error).__name__
        raise DownloadError(
            f"the downloader of Cityscapes failed: {reason}\nIt needs an account with access: {SITE}"
        ) from error


def _continue(downloader: ModuleType, session: "Session", part: Path) -> None:
    if part.exists() and part.stat().st_size:
        # drop a byte: the site would refuse to send the empty rest of a complete part
        os.truncate(part, part.stat().st_size - 1)
    try:
        downloader.download_packages(
            session=session, package_names=[part.name], destination_path=str(part.parent), resume=True
        )
    except Exception as error:
        if "MD5" in str(error):  # a wrong checksum can't be mended by continuing
            part.unlink()
        raise
