"""Lists of pictures in Parquet files, with an address or a path in each row."""

import io
from pathlib import Path
from urllib.parse import urlsplit

from segrnn.errors import DataError
from segrnn.images.object_store import Remote, is_address, remote
from segrnn.images.storage import File
from segrnn.paths import safe_path

SUFFIX = ".parquet"

_COLUMN = "url"


def read_list(source: Path | Remote) -> dict[str, File]:
    """Return the pictures that the column ``url`` of a Parquet file names, by relative paths.

    The path of ``s3://bucket/street/a.jpg`` is ``bucket/street/a.jpg``. A text that is not an address is a path from
    the folder of the list. A picture that is listed twice counts once.

    Args:
        source: the list, on this machine or elsewhere.

    Raises:
        DataError: the list does not exist, can't be read, has no such column, or has a row without a text.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(f'{source}: lists in Parquet need pyarrow: pip install "segrnn[ray]"') from error
    try:
        opened = parquet.ParquetFile(io.BytesIO(source.read_bytes()))
        names = opened.schema_arrow.names
        rows = opened.read([_COLUMN])[_COLUMN].to_pylist() if _COLUMN in names else []
    except FileNotFoundError:
        raise DataError(f"input={source} does not exist") from None
    except (OSError, ArrowException) as error:
        raise DataError(f"input={source} can't be read as Parquet: {error}") from error
    if _COLUMN not in names:
        raise DataError(f"input={source} has the columns {', '.join(names)}: it needs a column {_COLUMN}")
    if not rows:
        raise DataError(f"input={source} names no pictures: its column {_COLUMN} is empty")
    found: dict[str, File] = {}
    for number, text in enumerate(rows, start=1):
        if not isinstance(text, str) or not text:
            raise DataError(f"input={source}: row {number} has {text!r} in its column {_COLUMN}: it needs an address")
        name, file = _find(text, source, number)
        if found.setdefault(name, file) != file:
            raise DataError(f"input={source}: {found[name]} and {file} would have the same mask: rename one of them")
    return found


def _find(text: str, source: Path | Remote, number: int) -> tuple[str, File]:
    """Return a picture and its relative path."""
    try:
        if is_address(text):
            parts = urlsplit(text)
            return str(safe_path(f"{parts.netloc}/{parts.path}".replace(":", "_"))), remote(text)
        if isinstance(source, Path):
            return str(safe_path(text)), source.parent / text
        raise ValueError(f"{text!r} is not an address, as it must be in a list from elsewhere")
    except ValueError as error:
        raise DataError(f"input={source}: row {number}: {error}") from error
