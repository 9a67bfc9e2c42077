"""Masks in zip archives: few files, the same masks, and nothing twice."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from object_server import BUCKET, s3_store
from PIL import Image
from processes_together import run_together
from small_bundle import save_small_bundle
from test_bulk import DiedError, Restarting

import segrnn.tasks.mask_files
from segrnn.config.composition import compose
from segrnn.config.schema import Predict
from segrnn.errors import DataError, OutputError
from segrnn.images import read_upright
from segrnn.tasks.bulk import write_in_bulk

ASK = ("ckpt=bundle", "input=photos", "archive_size=2")


@pytest.fixture
def plain(run: Run) -> dict[str, bytes]:
    """The masks of five pictures that a plain start writes."""
    rng = np.random.default_rng(0)
    for name in ("0.jpg", "1.jpg", "a/2.jpg", "a/3.jpg", "a/4.png"):
        Path("photos", name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(Path("photos", name))
    save_small_bundle("bundle")
    assert run("predict", "ckpt=bundle", "input=photos", "output=plain") == 0
    return {path.relative_to("plain").as_posix(): path.read_bytes() for path in Path("plain").rglob("*.png")}


def archives(folder: str = "masks") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.zip")}


def masks_in(folder: str = "masks") -> dict[str, bytes]:
    """The masks of all archives, none of which may be there twice."""
    found: dict[str, bytes] = {}
    for path in sorted(Path(folder).glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                assert name not in found
                found[name] = archive.read(name)
    return found


def test_a_later_start_writes_what_is_in_no_archive(plain: dict[str, bytes], run: Run, capsys) -> None:
    assert run("predict", *ASK, "output=masks") == 0
    assert sorted(archives()) == ["masks-000001.zip", "masks-000002.zip", "masks-000003.zip"]
    assert not list(Path("masks").rglob("*.png"))
    assert masks_in() == plain
    Path("masks/masks-000002.zip").unlink()
    Path("photos/b.jpg").write_bytes(b"\xff\xd8")
    kept = archives()
    capsys.readouterr()
    for number in range(2):
        assert run("predict", *ASK, "output=masks") == 2
        printed = capsys.readouterr()
        assert f"{5 if number else 3} of 6 masks are already in masks" in printed.out
        assert "1 of 6 images have no mask:\nphotos/b.jpg (2 bytes)" in printed.err
    assert masks_in() == plain
    assert archives() == {**kept, "masks-000004.zip": archives()["masks-000004.zip"]}
    assert run("predict", *ASK, "output=masks", "archive_size=0") == 2
    assert "masks/predict.json has the settings of another command" in capsys.readouterr().err
    assert run("predict", *ASK, "output=masks", "format=color") == 2
    assert "5 of 6 masks exist already and were made with other settings" in capsys.readouterr().err
    Path("photos/b.jpg").unlink()
    assert run("predict", *ASK, "output=masks", "archive_size=3", "overwrite=true") == 0
    assert sorted(archives()) == ["masks-000001.zip", "masks-000002.zip"]
    assert masks_in() == plain
    Path("masks/masks-000002.zip").write_bytes(b"PK")
    assert run("predict", *ASK, "output=masks") == 2
    assert "masks-000002.zip can't be read: File is not a zip file. Remove it, and its" in capsys.readouterr().err


def test_an_engine_fills_archives_and_loses_nothing_when_processes_die(
    plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = []

    def deadly(file: Path, bands: int, max_pixels: int) -> tuple[np.ndarray, bool]:
        if file.name == "1.jpg" or (file.name == "2.jpg" and not deaths.count(file)):
            deaths.append(file)
            raise DiedError
        return read_upright(file, bands, max_pixels)

    class Ended(Restarting):
        def map(self, make: Callable[[], Any], items: Sequence[Any], on_gpus: bool) -> Iterator[Any]:
            yield from super().map(make, items[3:], on_gpus)
            raise OutputError("the cluster is gone")

    config = compose(Predict, [*ASK, "output=masks", "archive_size=3"])
    with pytest.raises(OutputError, match="gone"):
        write_in_bulk(config, Ended())
    assert sorted(masks_in()) == ["a/3.png", "a/4.png"]
    with monkeypatch.context() as patched:
        patched.setattr(segrnn.tasks.mask_files, "read_upright", deadly)
        with pytest.raises(DataError, match="1 of 5 images have no mask:\n.*1.jpg has no mask: 3 processes have died"):
            write_in_bulk(config, Restarting())
    assert [str(path) for path in write_in_bulk(config, Restarting())] == ["1.png"]
    assert masks_in() == plain
    assert sorted(archives()) == ["masks-000001.zip", "masks-000002.zip", "masks-000003.zip"]
    assert Path("masks/manifest.jsonl").read_text().count("\n") == 5


@pytest.mark.slow
def test_processes_of_torchrun_make_the_archives_of_one(
    plain: dict[str, bytes], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run("predict", *ASK, "output=one") == 0
    codes, told = run_together(2, "predict", [*ASK, "output=two"], Path("told"))
    assert codes == [0, 0], told
    assert len(archives("one")) == 3
    assert archives("two") == archives("one")


@pytest.mark.slow
def test_archives_in_a_store(
    plain: dict[str, bytes], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    assert run("predict", *ASK, "output=here") == 0
    with s3_store(monkeypatch, tmp_path) as store:
        ask = ("predict", *ASK, f"output=s3://{BUCKET}/masks")
        assert run(*ask) == 0
        written = store.contents("masks")
        assert {name: content for name, content in written.items() if name != "predict.json"} == archives("here")
        store.client.delete_object(Bucket=BUCKET, Key="masks/masks-000001.zip")
        capsys.readouterr()
        assert run(*ask) == 0
        assert "3 of 5 masks are already in s3://" in capsys.readouterr().out
        assert store.contents("masks")["masks-000004.zip"] == archives("here")["masks-000001.zip"]


@pytest.mark.parametrize("words", [("format=coco", "output=a.json"), ("input=drive.mp4", "output=masks")])
def test_what_makes_one_file_goes_into_no_archive(words: tuple[str, ...], run: Run, capsys) -> None:
    assert run("predict", *ASK, *words) == 2
    assert "archive_size=2 is for formats with a file for each image of a folder" in capsys.readouterr().err
