"""Places that files are written to: a folder of this machine, or a folder in an object store."""

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segrnn.atomic import PARTIAL, draft_name, write_text
from segrnn.claims import claimed
from segrnn.errors import DataError, OutputError
from segrnn.images.object_store import Remote
from segrnn.images.store_writing import remove, upload, writable
from segrnn.text import tell

_CLAIM = ".claim"
"""The folder in an output that holds the claim of the command that writes there."""

_INTERVAL = 60
"""Seconds between two writings of a file that grows, in a store, where objects can't be appended to."""


class Output(ABC):
    """A folder that files are written to, by their paths from there. A file is there whole or not at all."""

    @abstractmethod
    def at(self, name: PurePosixPath) -> Path | Remote:
        """Return where a file lies."""

    @abstractmethod
    def existing(self, names: Collection[PurePosixPath]) -> set[PurePosixPath]:
        """Return those of many files that exist."""

    @abstractmethod
    def holds(self, name: PurePosixPath) -> bool:
        """Tell whether one file exists."""

    @abstractmethod
    def directly(self, suffix: str) -> set[PurePosixPath]:
        """Return the files with a suffix that lie in this folder itself, and not in one of its subfolders."""

    @abstractmethod
    def read_text(self, name: PurePosixPath) -> str | None:
        """Return the text of a file, or None if it does not exist or is not a text."""

    @abstractmethod
    def write(self, name: PurePosixPath, write: Callable[[Path], object]) -> None:
        """Let `write` write a file, atomically. It is called with a path of this machine that ends in the file's name.

        Raises:
            OutputError: the file can't be written.
        """

    def write_text(self, name: PurePosixPath, text: str) -> None:
        """Write a text file in UTF-8.

        Raises:
            OutputError: the file can't be written.
        """
        self.write(name, lambda path: write_text(path, text))

    @abstractmethod
    def growing(self, name: PurePosixPath, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Write a text, and give a function that appends to it. All that was appended is there at the end.

        Raises:
            OutputError: the file can't be written.
        """

    @abstractmethod
    def remove(self, names: Collection[PurePosixPath]) -> None:
        """Remove files that exist.

        Raises:
            OutputError: they can't be removed.
        """

    @abstractmethod
    def remove_drafts(self, names: Collection[PurePosixPath]) -> None:
        """Remove what killed processes have left of files that they were writing."""

    @abstractmethod
    def check_links(self, names: Collection[PurePosixPath]) -> None:
        """Check that files would not be written elsewhere.

        Raises:
            OutputError: a link leads out of this folder.
        """

    @abstractmethod
    def lies_in(self, folder: Path | Remote) -> bool:
        """Tell whether this is a folder, or lies inside of it."""

    @abstractmethod
    def claimed(self) -> AbstractContextManager[None]:
        """Keep all other processes from writing here, as far as that is possible.

        Raises:
            OutputError: another process writes here.
        """


@dataclass(frozen=True)
class LocalFolder(Output):
    """A folder on a disk of this machine.

    Args:
        path: the folder. It is made when something is written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = LocalFolder(Path(folder))
        ...     output.write_text(PurePosixPath("a/b.txt"), "whole")
        ...     output.holds(PurePosixPath("a/b.txt"))
        True
    """

    path: Path

    def at(self, name: PurePosixPath) -> Path:
        """Return where a file lies."""
        return self.path / name

    def existing(self, names: Collection[PurePosixPath]) -> set[PurePosixPath]:
        """Return those of many files that exist."""
        return {name for name in names if self.holds(name)}

    def holds(self, name: PurePosixPath) -> bool:
        """Tell whether one file exists."""
        return self.at(name).exists()

    def directly(self, suffix: str) -> set[PurePosixPath]:
        """Return the files with a suffix that lie in this folder itself, and not in one of its subfolders."""
        return {PurePosixPath(path.name) for path in self.path.glob(f"*{suffix}")}

    def read_text(self, name: PurePosixPath) -> str | None:
        """Return the text of a file, or None if it does not exist or is not a text."""
        try:
            return self.at(name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def write(self, name: PurePosixPath, write: Callable[[Path], object]) -> None:
        """Let `write` write a file, atomically.

        Raises:
            OutputError: the file can't be written.
        """
        write(self.at(name))

    @contextmanager
    def growing(self, name: PurePosixPath, text: str) -> Iterator[Callable[[str], None]]:
        """Write a text, and give a function that appends to it, at once.

        Raises:
            OutputError: the file can't be written.
        """
        self.write_text(name, text)
        try:
            with self.at(name).open("a", encoding="utf-8") as file:

                def append(more: str) -> None:
                    file.write(more)
                    file.flush()

                yield append
        except OSError as error:
            raise OutputError(f"{self.at(name)} can't be written: {error}") from error

    def remove(self, names: Collection[PurePosixPath]) -> None:
        """Remove files that exist."""
        for name in names:
            self.at(name).unlink()

    def remove_drafts(self, names: Collection[PurePosixPath]) -> None:
        """Remove what killed processes have left of files that they were writing."""
        drafts = {(self.at(name).parent, draft_name(self.at(name))) for name in names}
        for folder in {folder for folder, _ in drafts}:
            for left_over in folder.glob(f".*-*{PARTIAL}"):
                if (folder, left_over.name[1:].rpartition("-")[0]) in drafts:  # `write_atomically` names drafts so
                    left_over.unlink()

    def check_links(self, names: Collection[PurePosixPath]) -> None:
        """Check that files would not be written elsewhere.

        Raises:
            OutputError: a link leads out of this folder.
        """
        for folder in sorted({self.at(name).parent for name in names}):
            if not (place := folder.resolve()).is_relative_to(self.path.resolve()):
                raise OutputError(
                    f"{folder} leads through a link to {place}, outside of output={self}: remove the link, or choose "
                    "another output"
                )

    def lies_in(self, folder: Path | Remote) -> bool:
        """Tell whether this is a folder, or lies inside of it."""
        return isinstance(folder, Path) and folder.is_dir() and self.path.resolve().is_relative_to(folder.resolve())

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep all other processes from writing here.

        Raises:
            OutputError: another process writes here.
        """
        claim = self.path / _CLAIM
        try:
            with claimed(claim, tell):
                yield
        finally:
            with suppress(OSError):  # another process may have claimed it by now
                claim.rmdir()

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class StoreFolder(Output):
    """A folder in an object store. An object appears when all of it has arrived, so nothing is ever half there.

    Args:
        place: the address.
    """

    place: Remote

    def at(self, name: PurePosixPath) -> Remote:
        """Return where a file lies."""
        return self.place / name

    def existing(self, names: Collection[PurePosixPath]) -> set[PurePosixPath]:
        """Return those of many files that exist. The store is listed once.

        Raises:
            OutputError: the store can't be listed.
        """
        return self._list().intersection(names)

    def holds(self, name: PurePosixPath) -> bool:
        """Tell whether one file exists, by one request.

        Raises:
            OutputError: the store does not answer.
        """
        try:
            self.at(name).look_up()
        except FileNotFoundError:
            return False
        except DataError as error:
            raise OutputError(str(error)) from error
        return True

    def directly(self, suffix: str) -> set[PurePosixPath]:
        """Return the files with a suffix that lie in this folder itself, and not in one of its subfolders.

        Raises:
            OutputError: the store can't be listed.
        """
        return {name for name in self._list() if len(name.parts) == 1 and name.suffix == suffix}

    def _list(self) -> set[PurePosixPath]:
        try:
            return {PurePosixPath(name) for name in self.place.names()}
        except DataError as error:
            raise OutputError(str(error)) from error

    def read_text(self, name: PurePosixPath) -> str | None:
        """Return the text of a file, or None if it does not exist or is not a text.

        Raises:
            OutputError: the store does not answer.
        """
        try:
            return self.at(name).read_bytes().decode()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        except DataError as error:
            raise OutputError(str(error)) from error

    def write(self, name: PurePosixPath, write: Callable[[Path], object]) -> None:
        """Let `write` write a file to a folder of this machine, and upload it.

        Raises:
            OutputError: the file can't be written.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name.name)  # stores tell the kind of a file by its suffix
            write(file)
            upload(file, self.at(name))

    @contextmanager
    def growing(self, name: PurePosixPath, text: str) -> Iterator[Callable[[str], None]]:
        """Write a text, and give a function that appends to it. What was appended is written once a minute.

        Raises:
            OutputError: the file can't be written.
        """
        self.write_text(name, text)
        parts, written = [text], time.monotonic()

        def append(more: str) -> None:
            nonlocal written
            parts.append(more)
            if time.monotonic() - written > _INTERVAL:
                self.write_text(name, "".join(parts))
                written = time.monotonic()

        try:
            yield append
        finally:
            self.write_text(name, "".join(parts))

    def remove(self, names: Collection[PurePosixPath]) -> None:
        """Remove files that exist.

        Raises:
            OutputError: they can't be removed.
        """
        remove(self.place, map(str, names))

    def remove_drafts(self, names: Collection[PurePosixPath]) -> None:
        """Remove nothing: a killed process leaves no drafts in a store."""

    def check_links(self, names: Collection[PurePosixPath]) -> None:
        """Accept all names: a store has no links."""

    def lies_in(self, folder: Path | Remote) -> bool:
        """Tell whether this is a folder of a store, or lies inside of it."""
        return isinstance(folder, Remote) and f"{self.place.url}/".startswith(f"{folder.url}/")

    def claimed(self) -> AbstractContextManager[None]:
        """Claim nothing: stores have no files that show signs of life. `take_up` compares the settings there."""
        return nullcontext()

    def __str__(self) -> str:
        return str(self.place)


def output_at(text: str) -> Output:
    """Return the folder that a path or an address stands for.

    Raises:
        ConfigError: nothing can be written there.
        DataError: the address has a key in it.

    Example:
        >>> print(output_at("masks"), output_at("s3://bucket/masks"))
        masks s3://bucket/masks
    """
    return StoreFolder(writable(text)) if "://" in text else LocalFolder(Path(text))


def file_at(text: str) -> tuple[Output, PurePosixPath]:
    """Return the folder of a file that is to be written, and the file's name.

    Raises:
        ConfigError: nothing can be written there.
        DataError: the address has a key in it.
        OutputError: the address has no name of a file.

    Example:
        >>> output, name = file_at("s3://bucket/street.zip")
        >>> print(output, name)
        s3://bucket street.zip
    """
    if "://" in text:
        place = writable(text)
        if not place.name:
            raise OutputError(f"output={place} is a bucket: add the name of the file")
        return StoreFolder(Remote(place.url.rpartition("/")[0])), PurePosixPath(place.name)
    path = Path(text)
    return LocalFolder(path.parent), PurePosixPath(path.name)
