"""Files of a dataset, in folders or directly in the zip archives in which it is published, here or elsewhere."""

import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, cast

from segrnn.errors import DataError
from segrnn.images.named import Named
from segrnn.images.object_store import RangedFile, Remote, is_address, local_cache, remote
from segrnn.images.shards import Part
from segrnn.paths import safe_path

_LARGEST_MEMBER = 2**30
"""The most bytes of a file in an archive. No image or label comes near; a file that claims more is a zip bomb."""


@dataclass(frozen=True, order=True)
class Member(Named):
    """A file inside a zip archive. It is read in the same way as a `Path`.

    Args:
        archive: the zip file, on this machine or elsewhere.
        inner: the file's path in the archive, made safe by `safe_path`.
    """

    archive: Path | Remote
    inner: str

    @property
    def place(self) -> PurePosixPath:
        """Return the path in the archive."""
        return PurePosixPath(self.inner)

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
            return _read(self.archive, archive, info)
        except KeyError:
            raise FileNotFoundError(str(self)) from None
        except (DataError, FileNotFoundError):
            raise
        except Exception as error:  # damaged or encrypted: BadZipFile, RuntimeError, OSError, and the decoders' own
            raise DataError(f"{self} can't be read: {error}. Download the archive again, or extract it") from error

    def __str__(self) -> str:
        return f"{self.archive}:{self.inner}"


File = Path | Member | Remote | Part
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
        root: a folder or one zip archive, or the address of one in an object store or on a web server.
        wrappers: folders that the publishers put around the whole dataset. They may be missing.
        archives: whether zip archives that lie in the root are read as if they were extracted.

    Raises:
        DataError: the root does not exist.
    """

    def __init__(self, root: str | Path | Remote, *wrappers: str, archives: bool = True) -> None:
        self.root = source_of(root)
        self.wrappers = ("", *wrappers)
        self.archives: list[Path] | list[Remote]
        self._objects: dict[str, Remote] = {}
        if isinstance(self.root, Remote):
            self._find_objects(self.root, archives)
        elif self.root.is_dir():
            found = (path for path in self.root.glob("*.zip") if archives and not path.is_dir())
            self.archives = sorted(path for path in found if not path.name.startswith("."))
        elif self.root.is_file() and (self.root.suffix == ".zip" or zipfile.is_zipfile(self.root)):
            self.archives = [self.root]
        else:
            reason = "is neither a folder nor a zip archive" if self.root.exists() else "does not exist"
            raise DataError(f"{self.root} {reason}")

    def _find_objects(self, root: Remote, archives: bool) -> None:
        if root.suffix.lower() == ".zip":
            try:
                self.archives = [root.look_up()]
            except FileNotFoundError:
                raise DataError(f"{root} does not exist") from None
            return
        try:
            self._objects = dict(root.find())
        except FileNotFoundError:
            raise DataError(f"{root} does not exist") from None
        zips = (file for name, file in self._objects.items() if "/" not in name and file.suffix == ".zip")
        self.archives = [file for file in zips if archives and not file.name.startswith(".")]

    def _walk(self, base: PurePosixPath) -> Iterator[tuple[str, Path | Remote | None]]:
        """Yield the files below a folder, by their paths from there. None stands for a hidden file or folder."""
        if isinstance(self.root, Path):
            yield from _walk(self.root / base)
            return
        prefix = "" if base == PurePosixPath() else f"{base}/"
        for name, file in self._objects.items():
            if name.startswith(prefix):
                top = _hidden_part(name.removeprefix(prefix))
                yield (top, None) if top else (name.removeprefix(prefix), file)

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
            for name, path in self._walk(base):
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


def source_of(root: str | Path | Remote) -> Path | Remote:
    """Return what a text stands for: a path on this machine, or an address elsewhere.

    Raises:
        DataError: the address has a key in it.

    Example:
        >>> source_of("data/camvid"), str(source_of("s3://bucket/camvid/"))
        (PosixPath('data/camvid'), 's3://bucket/camvid')
    """
    if isinstance(root, Remote):
        return root
    return remote(root) if isinstance(root, str) and is_address(root) else Path(root)


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


_State = tuple[int | str, ...]


def _state(archive: Path | Remote) -> _State:
    """Return what tells an archive from an earlier archive of the same name."""
    if isinstance(archive, Remote):
        return archive.version, archive.size
    status = archive.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=32)
def _members(archive: Path | Remote, state: _State) -> dict[str, str]:
    """Return the names of the files in an archive, by their safe paths. A changed archive is read again."""
    try:
        with zipfile.ZipFile(_file(archive)) as opened:
            names = [name for name in opened.namelist() if not name.endswith(("/", "\\"))]
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise DataError(
            f"{archive} ({state[-1]} bytes) is not a complete zip archive: {error}. Download it again, or "
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
def _opened(archive: Path | Remote, state: _State, process: int) -> zipfile.ZipFile:
    """Open an archive for this process only: a forked handle would share its place in the file with the parent's."""
    return zipfile.ZipFile(_file(archive))


def _file(archive: Path | Remote) -> Path | IO[bytes]:
    return archive if isinstance(archive, Path) else cast(IO[bytes], archive.open())


def _read(archive: Path | Remote, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the content of a member. From elsewhere, it comes by one request, unless this machine has it already."""
    if isinstance(archive, Path):
        return opened.read(info)

    file = cast(RangedFile, opened.fp)

    def read() -> bytes:
        header = 30 + len(info.orig_filename.encode()) + len(info.extra) + _SPARE
        file.fetch(info.header_offset, info.header_offset + header + info.compress_size)
        return opened.read(info)

    return local_cache().get(f"{archive.url}\0{archive.version}\0{info.orig_filename}", read)


_SPARE = 64
"""Bytes that the header before a member may have in addition to what the archive's directory tells."""
