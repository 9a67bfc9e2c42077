"""Files that are written to object stores, through fsspec. An object is there whole or not at all."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from glob import has_magic
from pathlib import Path

import fsspec

from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.images.object_store import WEB, Remote, attempt, remote


def writable(address: str) -> Remote:
    """Return the file or folder with an address in a store that takes files.

    Raises:
        ConfigError: nothing can be written there.
        DataError: the address has a key in it, which would be saved with the settings of a run.

    Example:
        >>> str(writable("s3://bucket/masks/"))
        's3://bucket/masks'
    """
    place, (protocol, _, rest) = remote(address), address.partition("://")
    if not rest.strip("/"):
        raise ConfigError(f"{address} names no bucket: write {protocol}://bucket/folder")
    if protocol in WEB:
        raise ConfigError(
            f"{place} can't be written, because a web server takes no files: choose a folder of this machine, or an "
            "address in a store, s3:// or gs://"
        )
    if protocol in ("file", "local"):
        raise ConfigError(f"{place} is on this machine: give its path, without {protocol}://")
    if protocol not in fsspec.available_protocols():
        raise ConfigError(f"{place} can't be written, because {protocol}:// is unknown: choose s3:// or gs://")
    return place


def upload(file: Path, place: Remote) -> None:
    """Write a file of this machine to an address. Readers see the whole file or none.

    Raises:
        OutputError: the store can't be reached, or does not take the file.
    """
    _change(place, lambda system, path: system.put_file(str(file), path))


def remove(folder: Remote, names: Iterable[str]) -> None:
    """Remove files from a folder of a store. It is not an error if one of them is gone.

    Args:
        folder: the folder.
        names: the paths of the files from there.

    Raises:
        OutputError: the store can't be reached, or does not remove them.
    """
    files = sorted(names)
    together = [name for name in files if not has_magic(name)]

    def change(system: fsspec.AbstractFileSystem, path: str) -> None:
        if together:
            with suppress(FileNotFoundError):  # an earlier attempt has removed them, and its answer was lost
                system.rm([f"{path}/{name}" for name in together])
        for name in files:
            if has_magic(name):  # `rm` would take it for a pattern
                with suppress(FileNotFoundError):
                    system.rm_file(f"{path}/{name}")

    _change(folder, change)


def _change(place: Remote, change: Callable[[fsspec.AbstractFileSystem, str], object]) -> None:
    try:
        attempt(place.url, change, "written")
    except FileNotFoundError as error:
        raise OutputError(f"{place} can't be written, because its bucket does not exist: create it first") from error
    except DataError as error:
        raise OutputError(str(error)) from error
