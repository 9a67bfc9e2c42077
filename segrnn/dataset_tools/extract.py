"""Extracting zip files from strangers. Each is checked before writing, and extracted in full or not at all."""

import lzma
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path, PurePosixPath, PureWindowsPath

from rich.progress import track

from segrnn.atomic import new_folder
from segrnn.errors import DataError, OutputError
from segrnn.paths import safe_path

MAX_MEMBERS = 500_000
MAX_RATIO = 100
"""The largest ratio of the extracted size to the packed size. Pictures come near 1, tables and JSON near 10."""


def extract_archive(archive: Path, output: Path, inside: str = "") -> list[Path]:
    """Extract a zip file, or one folder of it, into a new folder. After a failure, nothing is left there.

    Args:
        archive: the zip file.
        output: the folder to make. It may exist if it is empty.
        inside: the folder of the archive that becomes `output`; by default the whole archive.

    Returns:
        The files that were written, in the archive's order.

    Raises:
        DataError: the archive is missing, broken or not safe (links, encrypted members, paths that lead elsewhere or
            collide, much more content than its size suggests), or has no folder `inside`.
        OutputError: `output` is not empty or can't be written, or the disk is too small.
    """
    with open_zip(archive) as file:
        check_members(file.infolist(), archive)
        chosen = _choose(file.infolist(), archive, inside)
        with new_folder(output) as draft:
            require_space(draft, sum(member.file_size for member in chosen.values()))
            for path, member in track(chosen.items(), "extract", total=len(chosen)):
                target = draft / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink)
    return [output / path for path in chosen]


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file so that all its faults, on opening and on reading, raise the same kind of error.

    Raises:
        DataError: the file is missing, not a zip file, cut short or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file: archive= needs a zip file")
    try:
        with zipfile.ZipFile(path) as file:
            yield file
    # zipfile and its decoders raise these; RuntimeError means that a password or a decoder is missing
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{path} ({path.stat().st_size} bytes) is not a complete zip file: {error}. Download it again"
        ) from error


def check_zip(path: Path) -> None:
    """Read a zip file in full, and compare every member with its checksum in the archive.

    Raises:
        DataError: the file is missing, not a zip file, cut short or damaged.
    """
    with open_zip(path) as file:
        if (damaged := file.testzip()) is not None:
            raise DataError(f"{path} is not a complete zip file: {damaged!r} is damaged. Download it again")


def check_members(members: Sequence[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse an archive that would write outside its folder, twice to one place, or far too much.

    Raises:
        DataError: the archive is refused. The message names the archive, the member and the problem.
    """
    if len(members) > MAX_MEMBERS:
        raise DataError(f"{archive} has {len(members)} members, more than {MAX_MEMBERS}: nothing was extracted")
    seen: dict[str, str] = {}
    folders: set[str] = set()
    for member in members:
        if fault := _fault(member):
            raise _refusal(archive, member, fault)
        path = _path(member)
        folders.update(_place(parent) for parent in path.parents)
        if _is_folder(member):
            folders.add(_place(path))
        elif first := seen.get(_place(path)):
            raise _refusal(archive, member, f"would be written to the same place as {first!r}")
        else:
            seen[_place(path)] = member.filename
    for place in seen.keys() & folders:
        raise DataError(f"{archive}: {seen[place]!r} is both a file and a folder; nothing was extracted")
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > MAX_RATIO * packed:
        raise DataError(
            f"{archive} has {packed} bytes and would extract to {size} bytes, which is more than {MAX_RATIO} times as "
            "many: nothing was extracted"
        )


def require_space(folder: Path, size: int) -> None:
    """Check that a disk has enough room, before it becomes full.

    Raises:
        OutputError: `folder` has no room for `size` bytes.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(
            f"{size} bytes are needed in {folder}, but only {free} are free: make room, or choose another folder"
        )


def _fault(member: zipfile.ZipInfo) -> str:
    """Return the fault of a single member, or an empty text if it has none."""
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 if the archive was not made on Unix
    name, path = member.orig_filename, _path(member)
    if member.flag_bits & 0x1:
        return "is encrypted"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link" if kind == stat.S_IFLNK else "is neither a file nor a folder"
    if "\\" not in name and (PureWindowsPath(name).anchor or ".." in path.parts):
        return "leads out of the folder"
    try:
        portable = (_is_folder(member) and not path.parts) or safe_path(name) == path
    except ValueError:
        portable = False
    return "" if portable else "has a name that is not portable"


def _path(member: zipfile.ZipInfo) -> PurePosixPath:
    """Return the path of a member. Archives made on Windows may have backslashes between folders."""
    return PurePosixPath(member.filename.replace("\\", "/"))


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith(("/", "\\"))


def _place(path: PurePosixPath) -> str:
    """Return the same text for all paths that are one file on some file system.

    Many file systems ignore case or the way in which accents are stored.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def _refusal(archive: Path, member: zipfile.ZipInfo, fault: str) -> DataError:
    return DataError(f"{archive}: {member.orig_filename!r} {fault}; nothing was extracted")


def _choose(members: Sequence[zipfile.ZipInfo], archive: Path, inside: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Return the files below a folder of the archive, by their paths from there."""
    root = PurePosixPath(inside)
    paths = {_path(member): member for member in members if not _is_folder(member)}
    chosen = {path.relative_to(root): member for path, member in paths.items() if root in path.parents}
    if not chosen:
        folders = sorted({str(parent) for path in paths for parent in path.parents} - {"."})
        close = get_close_matches(inside, folders, n=1) or folders[:1]
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise DataError(f"{archive} has no files in the folder {inside!r}{hint}")
    return chosen
