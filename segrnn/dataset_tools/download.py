"""Downloading files. They are continued after an interruption, verified, and never half there under their own name."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import requests
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from segrnn.dataset_tools.extract import check_zip, require_space
from segrnn.errors import DataError, DownloadError, OutputError
from segrnn.text import tell

DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""The kinds of checksum that can be verified, and their number of hexadecimal digits."""

TRIES = 5
"""The number of failures in a row, without a new byte, after which a download gives up."""

PAUSE = 1.0
"""Seconds to wait after a failure. Each failure in a row without a new byte doubles them."""

_PARTIAL, _NO_SUCH_RANGE = 206, 416
_BUSY = (408, 429, 500, 502, 503, 504)
_TIMEOUT = 30
_CHUNK = 1 << 14  # small, because an unfinished chunk is lost if the connection is cut


@dataclass(frozen=True)
class WebFile:
    """A file on a web server.

    Args:
        name: the name under which the file is stored.
        url: the file's address.
        checksum: ``sha256:<hexadecimal>``, or the same with sha512, sha1 or md5; None if no checksum is published.
        elsewhere: the setting that takes the file from another place, as a clause for messages.

    Raises:
        ValueError: the name has folders in it, or the checksum has another form.
    """

    name: str
    url: str
    checksum: str | None
    elsewhere: str = "download.files.<key>.url=<address> sets the address of a mirror"

    def __post_init__(self) -> None:
        if self.name in ("", "..") or PurePath(self.name).name != self.name:
            raise ValueError(f"name must be the name of a file without folders, got {self.name!r}")
        if self.checksum is not None:
            algorithm, _, digits = self.checksum.partition(":")
            if len(digits) != DIGITS.get(algorithm) or not re.fullmatch("[0-9a-fA-F]+", digits):
                forms = ", ".join(f"{name}:<{length} digits>" for name, length in DIGITS.items())
                raise ValueError(f"checksum must be null or one of {forms}; got {self.checksum!r}")


def download_files(folder: Path, files: Mapping[str, WebFile]) -> list[Path]:
    """Download files, or verify those that are there already.

    An unfinished file lies beside its place, as ``<name>.part``. A later call continues it. If the server can't
    continue, or has another version of the file by now, the download starts again.

    Args:
        folder: the folder for the files. It is made if it does not exist.
        files: the files to download, under any keys.

    Returns:
        The files' paths.

    Raises:
        DownloadError: a server can't be reached or does not have the file, or a file is not the expected one.
        OutputError: `folder` can't be written to, or has no room.
    """
    try:
        with requests.Session() as session:
            return [_ensure(session, folder, file) for file in files.values()]
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error}") from error


def _ensure(session: requests.Session, folder: Path, file: WebFile) -> Path:
    path = folder / file.name
    if path.exists():
        try:
            _verify(path, file)
        except (DataError, DownloadError) as error:
            raise DownloadError(f"{error}\n{path} existed already: remove it to download it again") from error
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file.name}.part"
    _fetch(session, file, part)
    try:
        _verify(part, file)
    except (DataError, DownloadError) as error:
        _drop(part)
        raise DownloadError(f"{error}\nThe file came from {file.url} and was removed") from error
    part.replace(path)
    _drop(part)
    return path


def _verify(path: Path, file: WebFile) -> None:
    """Compare a file with its checksum. Without a checksum, a zip file is at least read in full."""
    algorithm, _, wanted = (file.checksum or "sha256:").partition(":")
    if file.checksum is None and PurePath(file.name).suffix == ".zip":
        check_zip(path)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, algorithm).hexdigest()
    if file.checksum is None:
        tell(f"{file.name}: no checksum is published; this one has sha256:{found}")
    elif found != wanted.lower():
        raise DownloadError(f"{path} has {algorithm}:{found}, but the checksum must be {file.checksum}")


def _fetch(session: requests.Session, file: WebFile, part: Path) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task(file.name, total=None)
        insist(lambda: _request(session, file, part, progress, task), part, file.url)


def insist(attempt: Callable[[], None], part: Path, source: str) -> None:
    """Try until a file is complete. Give up after several failures in a row without a new byte.

    Args:
        attempt: continues the download.
        part: the unfinished file.
        source: the address of the file, for the message.

    Raises:
        DownloadError: the source refuses, or fails `TRIES` times in a row without a new byte.
    """
    failures = 0
    while True:
        before = _size(part)
        try:
            return attempt()
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures == TRIES:
                raise DownloadError(
                    f"{source} can't be downloaded: {error}\n{_size(part)} bytes have arrived; the same command "
                    "continues the download"
                ) from error
        except requests.RequestException as error:
            raise DownloadError(f"{source} can't be downloaded: {error}") from error
        time.sleep(PAUSE * 2**failures)


def _request(session: requests.Session, file: WebFile, part: Path, progress: Progress, task: TaskID) -> None:
    """Make one request, for the rest of an unfinished file or for all of it."""
    start, version = _size(part), _read_version(part)
    headers = {"Accept-Encoding": "identity"}  # otherwise offsets would count compressed bytes
    if start and version:
        # ask for the rest of this version; a server with another version, or without ranges, sends the whole file
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    with session.get(file.url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        content_range = response.headers.get("Content-Range", "")
        if content_range == f"bytes */{start}":
            return  # nothing is missing
        rest = re.fullmatch(rf"bytes {start}-\d+/(\d+)", content_range)
        if response.status_code in (_PARTIAL, _NO_SUCH_RANGE) and not (rest and _version(response) in ("", version)):
            _drop(part)
            raise requests.ConnectionError("the server did not send the part that is missing")
        _check(response, file)
        if rest:
            total = int(rest[1])
        else:
            start, total = 0, int(response.headers.get("Content-Length", 0))
            _drop(part)
            _note(part).write_text(_version(response))
        require_space(part.parent, total - start)
        progress.update(task, completed=start, total=total or None)
        with part.open("ab") as sink:
            for chunk in response.iter_content(_CHUNK):
                sink.write(chunk)
                progress.advance(task, len(chunk))


def _check(response: requests.Response, file: WebFile) -> None:
    """Refuse a response that does not hold the file.

    Raises:
        DownloadError: another try would not help.
        requests.ConnectionError: the server is busy.
    """
    status = response.status_code
    if status in _BUSY:
        raise requests.ConnectionError(f"the server answers {status} {response.reason}")
    if not response.ok:
        raise DownloadError(
            f"{file.url} can't be downloaded: the server answers {status} {response.reason}. Has it moved? "
            f"{file.elsewhere}"
        )
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError(f"{response.url} is a web page, not the file {file.name}. Has it moved? {file.elsewhere}")


def _version(response: requests.Response) -> str:
    """Return a mark that differs between any two versions of the file, or an empty text if the server sends none."""
    tag = response.headers.get("ETag", "W/")
    if "Content-Encoding" in response.headers:
        return ""  # the bytes are not the file's own
    return response.headers.get("Last-Modified", "") if tag.startswith("W/") else tag  # W/ marks a weak tag


def _read_version(part: Path) -> str:
    return _note(part).read_text() if _note(part).exists() else ""


def _note(part: Path) -> Path:
    """Return the path of the note that holds an unfinished file's version."""
    return part.with_name(f"{part.name}.version")


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
