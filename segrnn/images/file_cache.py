"""A folder of this machine that keeps what was read from elsewhere, up to a limit.

The caching file systems of fsspec keep whole objects without a limit, so an archive larger than the disk would fill it.
This cache keeps single members of archives too, and removes what was not used for longest.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from filelock import FileLock

from segrnn.text import tell

_SHARE = 32
"""A process looks over the whole folder whenever it has written this fraction of the limit. So the folder exceeds the
limit by at most this fraction for each process that reads."""

_LEFT = 0.9
"""The share of the limit that is left after files were removed."""


class FileCache:
    """Contents by their keys, in the files of a folder. Processes may share the folder.

    Args:
        folder: the folder. It is made when it is needed.
        limit: the number of bytes from which on files are removed; 0 keeps nothing.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = FileCache(Path(folder), limit=1000)
        ...     cache.get("a", lambda: b"read"), cache.get("a", lambda: b"not read again")
        (b'read', b'read')
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._unseen = limit  # so that the first file that is written makes it look over the folder
        self._is_broken = False

    def get(self, key: str, read: Callable[[], bytes]) -> bytes:
        """Return the content of a key. It is read if the folder does not have it.

        If the folder can't be written, for example because its disk is full, a message says so once, and everything is
        read without it.

        Args:
            key: a text that names the content and its version.
            read: reads the content.
        """
        if not self.limit:
            return read()
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)  # the time of its last use
        except OSError:
            content = read()
            if not self._is_broken:
                self._keep(path, content)
        return content

    def open(self, key: str, size: int, read: Callable[[], bytes]) -> IO[bytes] | None:
        """Open the file that keeps a content, so that parts of it can be read.

        If several processes ask for a content that the folder does not have, one of them reads it. The others wait.

        Args:
            key: a text that names the content and its version.
            size: the number of bytes of the content.
            read: reads the content.

        Returns:
            The file. It is None if the folder can't be written, or if the content is larger than the limit.

        Example:
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     with FileCache(Path(folder), limit=1000).open("a", 4, lambda: b"read") as file:
            ...         file.seek(2), file.read()
            (2, b'ad')
        """
        if size > self.limit:
            return None
        path = self._path(key)
        file = _open_kept(path)
        if file is not None or self._is_broken:
            return file
        try:
            locks = self.folder / "locks"
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / path.parent.name)
            lock.acquire()
        except OSError as error:
            self._give_up(error)
            return None
        try:
            file = _open_kept(path)  # another process may have read it meanwhile
            if file is None:
                self._keep(path, read())
                file = _open_kept(path)
            return file
        finally:
            lock.release()

    def remove(self, key: str) -> None:
        """Remove the content of a key, if the folder has it."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / name

    def _keep(self, path: Path, content: bytes) -> None:
        self._unseen += len(content)
        if self._unseen >= self.limit // _SHARE:
            self._evict(len(content))
            self._unseen = 0
        try:
            self._write(path, content)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._is_broken = True
        tell(
            f"the cache of data from elsewhere can't be written, so all is read from there: {self.folder}: "
            f"{error.strerror}. Free space on that disk, lower SEGRNN_CACHE_GB, or choose another folder by "
            "SEGRNN_CACHE",
            error=True,
        )

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(draft, path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise

    def _evict(self, coming: int) -> None:
        """Remove the files that were not used for longest, if the folder would exceed the limit."""
        files = []
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):  # another process has removed it
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = coming + sum(size for _, size, _ in files)
        if total <= self.limit:
            return
        for _, size, path in sorted(files):
            path.unlink(missing_ok=True)
            total -= size
            if total <= _LEFT * self.limit:
                return


def _open_kept(path: Path) -> IO[bytes] | None:
    """Open a file and note the time of its use, or return None if it can't be read."""
    try:
        os.utime(path)
        return path.open("rb")
    except OSError:  # it is not there, or another process has removed it
        return None
