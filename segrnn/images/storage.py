"""Files of a dataset, in folders or directly in the zip archives in which it is published."""

import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from segrnn.errors import DataError
from segrnn.paths import safe_path

_LARGEST_MEMBER = 2**30
"""The most bytes of a file in an archive. No image or label comes near; a file that claims more is a zip bomb."""


@dataclass(frozen=True, order=True)
class Member:
    """A file inside a zip archive. It is read in the same way as a `Path`.

    Args:
        archive: the zip file.
        inner: the file's path in the archive, made safe by `safe_path`.
    """

    archive: Path
    inner: str

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return PurePosixPath(self.inner).name

    @property
    def stem(self) -> str:
        """Return the name without its suffix."""
        return PurePosixPath(self.inner).stem

    @property
    def suffix(self) -> str:
        """Return the suffix with its dot."""
        return PurePosixPath(self.inner).suffix

    @property
    def size(self) -> int:
        """Return the number of bytes that the file holds."""
        state = _state(self.archive)
        return _opened(self.archive, state, os.getpid()).getinfo(_members(self.archive, state)[self.inner]).file_size

    def read_bytes(self) -> bytes:
        """Read the whole file.

        Raises:
            DataError: the archive or the file in it is damaged, encrypted, a link, or far larger than any image.
            FileNotFoundError: the archive or the file does not exist.
        """
        try:
            state = _state(self.archive)
            archive = _opened(self.archive, state, os.getpid())
            info = archive.getinfo(_members(self.archive, state)[self.inner])
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(
                    f"{self} is a link, and links in an archive are not followed: put the file itself into the archive"
                )
            if info.file_size > _LARGEST_MEMBER:
                raise DataError(f"{self} claims to hold {info.file_size} bytes: no image or label is that large")
            return archive.read(info)
        except KeyError:
            raise FileNotFoundError(str(self)) from None
        except (DataError, FileNotFoundError):
            raise
        except Exception as error:  # damaged or encrypted: BadZipFile, RuntimeError, OSError, and the decoders' own
            raise DataError(f"{self} can't be read: {error}. Download the archive again, or extract it") from error

    def __str__(self) -> str:
        return f"{self.archive}:{self.inner}"


File = Path | Member
"""A file that datasets read. It has ``name``, ``stem``, ``suffix`` and ``read_bytes()``, and prints as its path."""


@dataclass(frozen=True)
class Listing:
    """The contents of a folder of a tree.

    Args:
        files: the files, by their paths from the folder.
        hidden: the paths that are skipped because a system or an editor keeps its own files there. A hidden folder
            counts once.
        renamed: for members of archives that had unsafe names: their original names, by the changed paths.
    """

    files: dict[str, File]
    hidden: frozenset[str]
    renamed: dict[str, str]


class Tree:
    """The files below a dataset's root, in its folders and in the zip archives that lie in it.

    If a file is in a folder and in an archive, the folder's file is used. Links to folders are followed, but not in
    circles.

    Args:
        root: a folder, or one zip archive.
        wrappers: folders that the publishers put around the whole dataset. They may be missing.
        archives: whether zip archives that lie in the root are read as if they were extracted.

    Raises:
        DataError: the root does not exist.
    """

    def __init__(self, root: str | Path, *wrappers: str, archives: bool = True) -> None:
        self.root = Path(root)
        self.wrappers = ("", *wrappers)
        if self.root.is_dir():
            found = (path for path in self.root.glob("*.zip") if archives and not path.is_dir())
            self.archives = sorted(path for path in found if not path.name.startswith("."))
        elif self.root.is_file() and (self.root.suffix == ".zip" or zipfile.is_zipfile(self.root)):
            self.archives = [self.root]
        else:
            reason = "is neither a folder nor a zip archive" if self.root.exists() else "does not exist"
            raise DataError(f"{self.root} {reason}")

    def files(self, folder: str = "") -> dict[str, File]:
        """Return all files below a folder, by their paths from there.

        Raises:
            DataError: an archive is damaged.
            OSError: a folder or an archive may not be read, or vanishes.
        """
        return self.listing(folder).files

    def listing(self, folder: str = "") -> Listing:
        """Return all files below a folder, with the paths that are skipped and the names that are changed.

        Raises:
            DataError: an archive is damaged.
            OSError: a folder or an archive may not be read, or vanishes.
        """
        found: dict[str, File] = {}
        hidden: set[str] = set()
        renamed: dict[str, str] = {}
        bases = [PurePosixPath(wrapper, folder) for wrapper in self.wrappers]
        for base in bases:
            for name, path in _walk(self.root / base):
                if path is None:
                    hidden.add(name)
                else:
                    found.setdefault(name, path)
        for archive in self.archives:
            members = _members(archive, _state(archive))
            for base in bases:
                prefix = "" if base == PurePosixPath() else f"{base}/"
                for inner, raw in members.items():
                    if not inner.startswith(prefix):
                        continue
                    name = inner.removeprefix(prefix)
                    if top := _hidden_part(name):
                        hidden.add(top)
                        continue
                    found.setdefault(name, Member(archive, inner))
                    if PurePosixPath(raw.replace("\\", "/")) != PurePosixPath(inner):
                        renamed[name] = raw
        return Listing({name: found[name] for name in sorted(found)}, frozenset(hidden), renamed)


def _walk(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield the files below a folder, by their paths from there. None stands for a hidden file or folder."""
    yield from _walk_on(folder, "", [folder.resolve()])


def _walk_on(folder: Path, prefix: str, above: list[Path]) -> Iterator[tuple[str, Path | None]]:
    here = above[-1]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        name, path = f"{prefix}{entry.name}", folder / entry.name
        link = entry.is_symlink()
        if _is_hidden(entry.name):
            yield name, None
        elif path.is_dir() if link else entry.is_dir():
            place = path.resolve() if link else here / entry.name
            if place not in above and not here.is_relative_to(place):  # skip links upwards and circles of links
                yield from _walk_on(path, f"{name}/", [*above, place])
        elif (path.is_file() or not path.exists()) if link else entry.is_file():
            yield name, path  # a link that leads nowhere is a file that can't be read


def _hidden_part(name: str) -> str:
    """Return the path up to its first hidden part, or an empty text if it has none."""
    parts = PurePosixPath(name).parts
    first = next((i for i, part in enumerate(parts, 1) if _is_hidden(part)), 0)
    return "/".join(parts[:first])


def _is_hidden(part: str) -> bool:
    return part.startswith((".", "__MACOSX")) or part in ("Thumbs.db", "desktop.ini")


_State = tuple[int, ...]


def _state(archive: Path) -> _State:
    """Return numbers that tell an archive from an earlier archive of the same name."""
    status = archive.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=32)
def _members(archive: Path, state: _State) -> dict[str, str]:
    """Return the names of the files in an archive, by their safe paths. A changed archive is read again."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if not name.endswith(("/", "\\"))]
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise DataError(
            f"{archive} ({archive.stat().st_size} bytes) is not a complete zip archive: {error}. Download it again, or "
            "remove it from the folder"
        ) from error
    members: dict[str, str] = {}
    for name in names:
        try:
            inner = str(safe_path(name))
        except ValueError as error:
            raise DataError(f"{archive}: {error}; nothing was read") from error
        if members.setdefault(inner, name) != name:
            raise DataError(f"{archive}: {members[inner]!r} and {name!r} are both read as {inner}; nothing was read")
    return members


@lru_cache(maxsize=32)
def _opened(archive: Path, state: _State, process: int) -> zipfile.ZipFile:
    """Open an archive for this process only: a forked handle would share its place in the file with the parent's."""
    return zipfile.ZipFile(archive)
