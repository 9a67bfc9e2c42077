"""Files in object stores and on web servers, which are read through fsspec."""

import io
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

import fsspec
from fsspec.core import url_to_fs

from segrnn.errors import DataError
from segrnn.images.file_cache import FileCache
from segrnn.images.named import Named
from segrnn.trouble import reason_of

Result = TypeVar("Result")

WEB = ("https", "http")
"""The protocols of web servers, which can only be read."""

_PROTOCOLS = ("s3", "gs", *WEB)
_PACKAGES = 'pip install "segrnn[cloud]"'

_PAUSES = (0.2, 0.5, 1, 2, 4)
"""Seconds before each new attempt, after a request has failed. fsspec's stores and their clients try again as well."""

# gcsfs would ask for the kind of the bucket before each request, and warn where there are no credentials for that
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

_LEAST = 2**16
"""The fewest bytes of an archive that are read at once."""

_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "Last-Modified", "LastModified")
"""The names under which stores tell one state of an object from another."""


@dataclass(frozen=True, order=True)
class Remote(Named):
    """A file or folder with an address, such as ``s3://bucket/folder``. It is read in the same way as a `Path`.

    Args:
        url: the address, without a slash at its end.
        version: the state of the file when it was found. Another state of it is an error. An empty text takes any.
        size: the number of bytes when it was found; -1 if it is not known.
    """

    url: str
    version: str = field(default="", compare=False)
    size: int = field(default=-1, compare=False)

    @property
    def place(self) -> PurePosixPath:
        """Return the path on the server."""
        return PurePosixPath(urlsplit(self.url).path)

    def as_posix(self) -> str:
        """Return the address."""
        return self.url

    def __truediv__(self, part: object) -> "Remote":
        """Return the address of something below."""
        text = str(part)
        return self if text in ("", ".") else Remote(f"{self.url}/{text}")

    def read_bytes(self) -> bytes:
        """Read the whole file, from the cache of this machine if it is there.

        Raises:
            DataError: the file can't be read, or has changed since it was found.
            FileNotFoundError: the file does not exist.
        """
        found = self if self.version else self.look_up()
        read = found.download if found.size < 0 else found.open().read
        return local_cache().get(f"{found.url}\0{found.version}", read)

    def download(self) -> bytes:
        """Read the whole file from where it is, by one request. Its version is not checked.

        Raises:
            DataError: the file can't be read.
            FileNotFoundError: the file does not exist.
        """
        return attempt(self.url, self._read_whole)

    def _read_whole(self, system: fsspec.AbstractFileSystem, path: str) -> bytes:
        content: bytes = system.cat_file(path)
        if self.size not in (-1, len(content)):
            raise OSError(f"{len(content)} of {self.size} bytes came")
        return content

    def look_up(self) -> "Remote":
        """Return the file with its size and version.

        Raises:
            DataError: the store can't be reached, or refuses to answer.
            FileNotFoundError: the file does not exist.
        """
        return self._with(attempt(self.url, lambda system, path: system.info(path)))

    def names(self) -> set[str]:
        """Return the paths of the files below this folder, from there. There are none if it does not exist.

        Raises:
            DataError: the store can't be reached, or refuses to answer.
        """
        try:
            return set(attempt(self.url, _listing))
        except FileNotFoundError:
            return set()

    def find(self) -> Iterator[tuple[str, "Remote"]]:
        """Yield the files below this folder, by their paths from there.

        Raises:
            DataError: the store can't be reached, or refuses to answer, or nothing is there.
        """
        found: dict[str, Any] = attempt(self.url, _listing)
        if not found:
            raise DataError(f"{self.url} holds no files, or does not exist")
        for name in sorted(found):
            yield name, (self / name)._with(found[name])

    def open(self) -> "RangedFile":
        """Open the file for reading parts of it.

        Raises:
            DataError: the file can't be read, or has changed since it was found.
            FileNotFoundError: the file does not exist.
        """
        return RangedFile(self if self.version and self.size >= 0 else self.look_up())

    def _with(self, info: dict[str, Any]) -> "Remote":
        version = next((str(info[name]) for name in _VERSIONS if info.get(name)), "")
        size = info.get("size")
        return Remote(self.url, version, -1 if size is None else int(size))

    def __str__(self) -> str:
        return self.url


class RangedFile(io.RawIOBase):
    """The bytes of a remote file. Each request takes a part of it, which stays in memory until the next request.

    Args:
        remote: the file, as it was found.
    """

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self.remote, self._place = remote, 0
        self._start, self._part = 0, b""
        self._file: Any = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place. Nothing is read."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.remote.size}[whence]
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes, by one request if they are not in memory.

        Raises:
            DataError: the file can't be read, or has changed since it was found.
        """
        rest = max(0, self.remote.size - self._place)
        count = rest if size is None or size < 0 else min(size, rest)
        if not self._start <= self._place <= self._place + count <= self._start + len(self._part):
            self.fetch(self._place, self._place + count)
        begin = self._place - self._start
        self._place += count
        return self._part[begin : begin + count]

    def fetch(self, start: int, stop: int) -> None:
        """Bring a part of the file into memory, by one request.

        Raises:
            DataError: the file can't be read, or has changed since it was found.
        """
        stop = min(max(stop, start + _LEAST), self.remote.size)
        self._part = attempt(self.remote.url, lambda system, path: self._request(system, path, start, stop))
        self._start = start

    def _request(self, system: fsspec.AbstractFileSystem, path: str, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        file, self._file = self._file, None  # a file whose request has failed is opened again
        if file is None:
            system.invalidate_cache()  # it would answer what was true when the folder was listed
            file = system.open(path, "rb", cache_type="none")
            if not file.seekable():
                raise DataError(f"{self.remote}: {_WHOLE}")
            details = getattr(file, "details", {})  # files of some stores lack them
            found = self.remote._with(details).version or self.remote._with(system.info(path)).version
            if self.remote.version not in ("", found):
                raise DataError(_CHANGED.format(self.remote))
        file.seek(start)
        content: bytes = file.read(stop - start)
        if len(content) != stop - start:
            raise OSError(f"{len(content)} of {stop - start} bytes came")
        self._file = file
        return content


_CHANGED = (
    "{} has changed since this run began, so its pictures would be of two states of the data: leave the data as it is "
    "during a run, and start again"
)


def is_address(text: str) -> bool:
    """Tell whether a text is the address of a store or a web server, and not a path.

    Example:
        >>> is_address("s3://bucket/camvid"), is_address("data/camvid"), is_address("C:/data")
        (True, False, False)
    """
    return text.startswith(tuple(f"{protocol}://" for protocol in _PROTOCOLS))


def remote(address: str) -> Remote:
    """Return the file or folder with an address.

    Raises:
        DataError: the address has a key in it, which would be saved with the settings of a run.

    Example:
        >>> remote("s3://bucket/camvid/").url
        's3://bucket/camvid'
    """
    parts = urlsplit(address)
    if parts.query or not re.fullmatch(r"[^@:]*(:[0-9]+)?", parts.netloc):
        raise DataError(
            f"the address {parts.scheme}://... is given with a user, a password or a query, which would be saved with "
            "the settings of the run: give the plain address, and keys by the environment (AWS_ACCESS_KEY_ID, "
            "AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS)"
        )
    return Remote(address.rstrip("/"))


@cache
def local_cache() -> FileCache:
    """Return the cache for all that is read from elsewhere.

    The environment may choose its folder (SEGRNN_CACHE) and its limit in gigabytes (SEGRNN_CACHE_GB).

    Raises:
        DataError: the limit is not a number.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder, text = os.environ.get("SEGRNN_CACHE"), os.environ.get("SEGRNN_CACHE_GB", "20")
    try:
        limit = int(float(text) * 1e9)
    except (ValueError, OverflowError):
        raise DataError(f"SEGRNN_CACHE_GB={text} is not a number of gigabytes: 0 keeps nothing") from None
    return FileCache(Path(folder).expanduser() if folder else home / "segrnn" / "objects", limit)


def _listing(system: fsspec.AbstractFileSystem, path: str) -> dict[str, Any]:
    """Return what a store tells about the files below a path, by their paths from there."""
    system.invalidate_cache()
    found: dict[str, Any] = system.find(path, detail=True)
    below = f"{path.rstrip('/')}/"
    return {name.removeprefix(below): info for name, info in found.items() if name.startswith(below) and name != below}


def attempt(url: str, ask: Callable[[fsspec.AbstractFileSystem, str], Result], done: str = "read") -> Result:
    """Ask a store, and ask again if the answer fails in a way that may pass.

    Args:
        url: the address.
        ask: asks the store.
        done: what is done with the address, for the message of a failure.

    Raises:
        DataError: the store refuses to answer, or fails again and again.
        FileNotFoundError: there is nothing at the address.
    """
    for pause in (*_PAUSES, None):
        try:
            return ask(*url_to_fs(url))
        except ImportError as error:
            raise DataError(f"{url}: {error}. {_PACKAGES}") from error
        except DataError:
            raise
        except Exception as error:  # each store, and each library below it, has errors of its own
            cause = _cause(error)
            if isinstance(cause, FileNotFoundError):
                raise
            if explanation := _explain(url, cause):
                raise DataError(explanation) from error
            if pause is None:
                raise DataError(
                    f"{url} can't be {done}, after {len(_PAUSES) + 1} attempts: {_reason(cause)}"
                ) from error
        time.sleep(pause)
    raise AssertionError  # the last round returns or raises


def _cause(error: Exception) -> Exception:
    """Return what has happened. For fsspec, a web server that gives no answer about a file does not have it."""
    cause = error.__cause__
    of_web = type(cause).__module__.partition(".")[0] in ("aiohttp", "asyncio")
    if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and of_web:
        return error if getattr(cause, "status", None) == _MISSING else cause
    return error


_MISSING = 404


def _explain(url: str, error: Exception) -> str:
    """Explain an error that would come again. Return an empty text for any other error."""
    kind, text = type(error).__name__, str(error)
    if kind == "FileExpired" or "pre-conditions" in text:
        return _CHANGED.format(url)
    if "range requests" in text:
        return f"{url}: {_WHOLE}"
    if (
        isinstance(error, PermissionError)
        or getattr(error, "status", None) in (401, 403)
        or "redentials" in kind + text
    ):
        return (
            f"{url}: access is denied, or there are no credentials ({_reason(error)}). Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, AWS_PROFILE or GOOGLE_APPLICATION_CREDENTIALS, or use a role of the machine"
        )
    if kind in ("EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorDNSError", "UnknownEndpoint"):
        return f"{url}: the store can't be reached ({_reason(error)}). {_ENDPOINT}"
    if any(words in text for words in ("specified endpoint", "the region '", "location constraint")):
        return f"{url}: the bucket is in another region ({_reason(error)}). {_ENDPOINT}"
    return ""


_WHOLE = (
    "the server doesn't send parts of files, so single pictures of an archive can't be read from it: download the "
    "archive, and give the path of the file"
)
_ENDPOINT = "Check the network, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"


def _reason(error: Exception) -> str:
    # what a server sends back may repeat the request's signature
    return re.sub(r"(?i)(Signature|Credential|Token)=[^&\s]+", r"\1=...", reason_of(error)) or type(error).__name__
