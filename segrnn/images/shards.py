"""Files inside the shards of a stream: tar files of which parts are read, on this machine or elsewhere."""

import os
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, cast

from segrnn.errors import DataError
from segrnn.images.named import Named
from segrnn.images.object_store import Remote, local_cache

INDEX = "index.json"
"""The name of the file that says what the shards beside it hold."""

_AGAIN = "Copy the files of the stream again, or pack the data again"


@dataclass(frozen=True)
class Shard:
    """A tar file with many samples. From elsewhere, it is downloaded as a whole when a part of it is read.

    The copy is kept in the cache of this machine. If the cache can't hold it, each part is read from elsewhere by a
    request of its own.

    Args:
        file: the tar file.
        size: its number of bytes.
        digest: its SHA-256, in hexadecimal digits.
    """

    file: Path | Remote
    size: int
    digest: str

    def read(self, start: int, size: int) -> bytes:
        """Read a part.

        Args:
            start: the place of its first byte.
            size: its number of bytes.

        Raises:
            DataError: the shard is missing, has another size or other bytes than its index says, or can't be read.
        """
        try:
            with self._open() as file:
                file.seek(start)
                return file.read(size)
        except FileNotFoundError:
            raise DataError(f"{self.file} does not exist, but {INDEX} beside it names it. {_AGAIN}") from None
        except OSError as error:
            raise DataError(f"{self.file} can't be read: {error}") from error

    def forget(self) -> None:
        """Remove the copy in the cache, if there is one."""
        local_cache().remove(self._key)

    @property
    def _key(self) -> str:
        return f"{self.file}\0{self.digest}"

    def _open(self) -> IO[bytes]:
        if isinstance(self.file, Remote):
            kept = local_cache().open(self._key, self.size, self._download)
            return cast(IO[bytes], self.file.open()) if kept is None else kept
        file = self.file.open("rb")
        found = os.fstat(file.fileno()).st_size
        if found != self.size:
            file.close()
            self._refuse_size(found)
        return file

    def _download(self) -> bytes:
        assert isinstance(self.file, Remote)
        found = self.file.look_up()
        if found.size not in (-1, self.size):
            self._refuse_size(found.size)
        content = found.download()
        if (digest := sha256(content).hexdigest()) != self.digest:
            raise DataError(
                f"{self.file} has changed: its SHA-256 is {digest}, but {INDEX} says {self.digest}. {_AGAIN}"
            )
        return content

    def _refuse_size(self, found: int) -> None:
        raise DataError(f"{self.file} has {found} bytes, but {INDEX} says {self.size}: it was cut or changed. {_AGAIN}")


@dataclass(frozen=True)
class Part(Named):
    """A file inside a shard. It is read in the same way as a `Path`.

    Args:
        shard: the tar file.
        inner: the file's path in it.
        start: the place of the file's first byte in the shard.
        size: the number of bytes.
        checksum: the CRC-32 of these bytes.
    """

    shard: Shard
    inner: str
    start: int
    size: int
    checksum: int

    @property
    def place(self) -> PurePosixPath:
        """Return the path in the shard."""
        return PurePosixPath(self.inner)

    def read_bytes(self) -> bytes:
        """Read the whole file. If the copy of the shard in the cache is damaged, the shard is downloaded again.

        Raises:
            DataError: the shard is missing or can't be read, or the bytes are not those that the index describes.
        """
        content = self.shard.read(self.start, self.size)
        if zlib.crc32(content) != self.checksum and isinstance(self.shard.file, Remote):
            self.shard.forget()
            content = self.shard.read(self.start, self.size)
        if (found := zlib.crc32(content)) != self.checksum:
            raise DataError(
                f"{self} is damaged: the CRC-32 of its {len(content)} bytes is {found:08x}, but {INDEX} says "
                f"{self.checksum:08x} for {self.size} bytes. {_AGAIN}"
            )
        return content

    def __str__(self) -> str:
        return f"{self.shard.file}:{self.inner}"
