"""Masks in zip archives, so that very many masks are few files."""

import re
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from segrnn.atomic import write_atomically
from segrnn.errors import DataError, OutputError
from segrnn.outputs.places import Output

_NAME = re.compile(r"masks-[0-9]{6,}\.zip")

_MOST = 2**28
"""The most bytes that wait for their archive. Large files make smaller archives."""


class Archives:
    """Zip archives in an output, ``masks-000001.zip`` and so on. They are there whole or not at all.

    One process fills them, one after the other. If it is killed, what waits for the next archive is lost.

    Args:
        output: the folder of the archives.
        size: the number of files in an archive.

    Example:
        >>> import tempfile
        >>> from segrnn.outputs import LocalFolder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archives = Archives(LocalFolder(Path(folder)), size=2)
        ...     with archives.filling():
        ...         for name in ("a.txt", "b.txt", "c.txt"):
        ...             archives.add(PurePosixPath(name), b"content")
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['masks-000001.zip', 'masks-000002.zip']
    """

    def __init__(self, output: Output, size: int) -> None:
        self._output, self._size = output, size
        self._waiting: dict[PurePosixPath, bytes] = {}
        self._number = 0

    def existing(self, names: Collection[PurePosixPath]) -> set[PurePosixPath]:
        """Return those of many files that are in finished archives. Only the directories of archives are read.

        Raises:
            OutputError: an archive can't be read.
        """
        found = {PurePosixPath(name) for archive in self._finished() for name in self._members(archive)}
        return found.intersection(names)

    def remove(self, names: Collection[PurePosixPath]) -> None:
        """Remove all archives if one of them has files.

        Raises:
            OutputError: they can't be removed.
        """
        if names:
            self._output.remove(self._finished())

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Write the archives that are filled meanwhile, the last of them at the end, or when an error ends the work.

        Raises:
            OutputError: an archive can't be written.
        """
        self._number = max((int(name.stem.rpartition("-")[2]) for name in self._finished()), default=0)
        try:
            yield
        finally:
            self._write()

    def add(self, name: PurePosixPath, content: bytes) -> None:
        """Put a file into the archive that is being filled.

        Raises:
            OutputError: the archive is full and can't be written.
        """
        self._waiting[name] = content
        if len(self._waiting) >= self._size or sum(map(len, self._waiting.values())) > _MOST:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            self._number += 1
            self._output.write(
                PurePosixPath(f"masks-{self._number:06d}.zip"), lambda path: write_atomically(path, self._fill)
            )
            self._waiting.clear()

    def _fill(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self._waiting.items():  # without times, so that the same files make the same archive
                archive.writestr(zipfile.ZipInfo(str(name)), content, zipfile.ZIP_DEFLATED)

    def _finished(self) -> list[PurePosixPath]:
        return sorted(name for name in self._output.directly(".zip") if _NAME.fullmatch(name.name))

    def _members(self, archive: PurePosixPath) -> list[str]:
        place = self._output.at(archive)
        try:
            file = place if isinstance(place, Path) else cast(IO[bytes], place.open())
            with zipfile.ZipFile(file) as opened:
                return opened.namelist()
        except (zipfile.BadZipFile, OSError, DataError) as error:
            raise OutputError(f"{place} can't be read: {error}. Remove it, and its masks are written again") from error
