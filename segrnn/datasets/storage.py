"""Files of a dataset: in folders, or straight in the zip archives that it is published as."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from segrnn.errors import DataError

_LARGEST_MEMBER = 2**30
"""Bytes: no image or label comes near it; what claims more is a bomb."""


@dataclass(frozen=True, order=True)
class Member:
    """A file inside a zip archive, read as a `Path` is.

    Args:
        archive: the zip file.
        inner: the file's path in it.
    """

    archive: Path
    inner: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.inner).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.inner).stem

    @property
    def suffix(self) -> str:
        """The suffix, with its dot."""
        return PurePosixPath(self.inner).suffix

    @property
    def size(self) -> int:
        """Bytes that the file holds."""
        return _opened(self.archive, _state(self.archive), os.getpid()).getinfo(self.inner).file_size

    def read_bytes(self) -> bytes:
        """The whole file.

        Raises:
            DataError: the archive or the file in it is damaged, encrypted, or far larger than any image.
            FileNotFoundError: the archive or the file does not exist.
        """
        try:
            archive = _opened(self.archive, _state(self.archive), os.getpid())
            info = archive.getinfo(self.inner)
            if info.file_size > _LARGEST_MEMBER:
                raise DataError(f"{self} claims to hold {info.file_size} bytes: no image or label is that large")
            return archive.read(info)
        except KeyError:
            raise FileNotFoundError(str(self)) from None
        except (DataError, FileNotFoundError):
            raise
        except Exception as error:  # damaged or encrypted: BadZipFile, RuntimeError, OSError, and each packer's own
            raise DataError(f"{self} can't be read: {error}. Fetch the archive again, or extract it") from error

    def __str__(self) -> str:
        return f"{self.archive}:{self.inner}"


File = Path | Member
"""What datasets read: it has ``name``, ``stem``, ``suffix`` and ``read_bytes()``, and prints as its place."""


class Tree:
    """The files below a dataset's root, in its folders and in the zip archives that lie in it.

    Where a file is in both, the folder's is taken.

    Args:
        root: a folder, or one zip archive.
        wrappers: folders that the publishers put around everything; they may be there or not.

    Raises:
        DataError: the root does not exist.
    """

    def __init__(self, root: str | Path, *wrappers: str) -> None:
        self.root = Path(root)
        self.wrappers = ("", *wrappers)
        if self.root.is_dir():
            archives = (path for path in self.root.glob("*.zip") if not path.is_dir())
            self.archives = sorted(path for path in archives if not path.name.startswith("."))
        elif self.root.is_file() and (self.root.suffix == ".zip" or zipfile.is_zipfile(self.root)):
            self.archives = [self.root]
        else:
            reason = "is neither a folder nor a zip archive" if self.root.exists() else "does not exist"
            raise DataError(f"{self.root} {reason}")

    def files(self, folder: str = "") -> dict[str, File]:
        """All files below a folder, by their path from there; hidden ones and other systems' leavings are passed over.

        Raises:
            DataError: an archive is damaged.
            OSError: a folder or an archive may not be read, or vanishes.
        """
        found: dict[str, File] = {}
        bases = [PurePosixPath(wrapper, folder) for wrapper in self.wrappers]
        for base in bases:
            for path in _walk(self.root / base):
                found.setdefault(path.relative_to(self.root / base).as_posix(), path)
        for archive in self.archives:
            listing = _listing(archive, _state(archive))
            for base in bases:
                prefix = "" if base == PurePosixPath() else f"{base}/"
                for inner in listing:
                    if inner.startswith(prefix):
                        found.setdefault(inner.removeprefix(prefix), Member(archive, inner))
        return {name: found[name] for name in sorted(found) if not _is_junk(name)}


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):  # splits may be on other disks
        here = Path(parent).resolve()
        folders[:] = [name for name in folders if not here.is_relative_to((here / name).resolve())]  # a link upwards
        for name in names:
            yield Path(parent, name)


def _refuse(error: OSError) -> None:
    """A folder that may not be read is not an empty one."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) for part in parts) or parts[-1] in ("Thumbs.db", "desktop.ini")


_State = tuple[int, ...]


def _state(archive: Path) -> _State:
    """What tells an archive from an earlier one of the same name."""
    status = archive.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=32)
def _listing(archive: Path, state: _State) -> tuple[str, ...]:
    """The files in an archive, read again when it has changed."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return tuple(name for name in opened.namelist() if not name.endswith("/"))
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise DataError(
            f"{archive} ({archive.stat().st_size} bytes) is no whole zip archive: {error}. "
            "Fetch it again, or take it out of the folder"
        ) from error


@lru_cache(maxsize=32)
def _opened(archive: Path, state: _State, process: int) -> zipfile.ZipFile:
    """A handle of this process's own: a forked one would share its place in the file with its parent's."""
    return zipfile.ZipFile(archive)
