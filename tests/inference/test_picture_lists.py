"""Lists of pictures in Parquet files."""

import re
from pathlib import Path

import pytest

from segrnn.errors import DataError
from segrnn.images.object_store import Remote
from segrnn.inference import find_images, plan
from segrnn.outputs import LocalFolder

pa = pytest.importorskip("pyarrow", reason='pip install "segrnn[ray]"')
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, rows: list[object], column: str = "url") -> Path:
    parquet.write_table(pa.table({column: rows, "id": range(len(rows))}), path)
    return path


def test_addresses_and_paths(tmp_path: Path) -> None:
    rows = ["s3://bucket/street/a.jpg", "https://host:8000/b.png", "photos/c.png", "/data/d.tif", "photos/c.png"]
    found = find_images(write(tmp_path / "list.parquet", rows))
    assert found == {
        "bucket/street/a.jpg": Remote("s3://bucket/street/a.jpg"),
        "host_8000/b.png": Remote("https://host:8000/b.png"),
        "photos/c.png": tmp_path / "photos/c.png",
        "data/d.tif": Path("/data/d.tif"),
    }
    masks = [job.mask.as_posix() for job in plan(tmp_path / "list.parquet", LocalFolder(Path("masks")), ".png")]
    assert masks == ["bucket/street/a.png", "host_8000/b.png", "photos/c.png", "data/d.png"]


@pytest.mark.parametrize(
    ("rows", "column", "message"),
    [
        (["a.png"], "address", "has the columns address, id: it needs a column url"),
        ([], "url", "names no pictures"),
        (["a.png", None], "url", "row 2 has None in its column url"),
        ([7], "url", "row 1 has 7 in its column url"),
        (["a.png", "../a.png"], "url", "would have the same mask: rename one of them"),
        (["s3://key:secret@bucket/a.png"], "url", "a user, a password or a query"),
        ([".."], "url", "row 1: '..' is not the name of a file"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(rows: list[object], column: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        find_images(write(tmp_path / "list.parquet", rows, column))


def test_a_list_that_is_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="list.parquet does not exist"):
        find_images(tmp_path / "list.parquet")
    (tmp_path / "list.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="list.parquet can't be read as Parquet"):
        find_images(tmp_path / "list.parquet")
