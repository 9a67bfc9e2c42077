"""Very many images: the manifest, images that processes die of, and starts that go on."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from PIL import Image
from small_bundle import save_small_bundle

import segrnn.tasks.mask_files
from segrnn.config.composition import compose
from segrnn.config.schema import Predict
from segrnn.errors import DataError, OutputError
from segrnn.images import read_upright
from segrnn.outputs import LocalFolder
from segrnn.tasks.bulk import Earlier, write_in_bulk
from segrnn.tasks.manifest import Manifest


class DiedError(BaseException):
    """A process has died; no code that tidies up may take it for an error."""


class Restarting:
    """One process that is started again when it dies, and then gets the same item once more."""

    def __init__(self) -> None:
        self.starts = 0

    def map(self, make: Callable[[], Callable[..., Any]], items: Sequence[Any], on_gpus: bool) -> Iterator[Any]:
        assert on_gpus  # device=auto
        work = None
        for item in items:
            for deaths in count():
                if work is None:
                    work, self.starts = make(), self.starts + 1
                try:
                    yield work(item, Earlier(deaths, deaths))
                    break
                except DiedError:
                    work = None


@pytest.fixture
def config(run: Run) -> Predict:
    """Seven small images, of which one is turned and one is damaged."""
    rng = np.random.default_rng(0)
    for number in range(7):
        path = Path("photos", "a" if number % 2 else "b", f"{number}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 2 else 1
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(path, exif=exif)
    Path("photos/a/3.jpg").write_bytes(b"\xff\xd8")
    bundle = save_small_bundle("bundle")
    return compose(Predict, [f"ckpt={bundle}", "input=photos", "output=masks"])


def lines(folder: str = "masks") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "manifest.jsonl").read_text().splitlines()]


def test_masks_are_those_of_the_plain_command_and_each_image_has_a_line(
    config: Predict, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", "ckpt=bundle", "input=photos", "output=plain") == 2
    assert "1 of 7 images have no mask" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"1 of 7 images have no mask:\n.*photos/a/3.jpg \(2 bytes\) can't be decoded"):
        write_in_bulk(config, Restarting())
    assert "EXIF tags turn 1 image, e.g. " in capsys.readouterr().out
    plain = {path.relative_to("plain"): path.read_bytes() for path in Path("plain").rglob("*") if path.is_file()}
    masks = {path.relative_to("masks"): path.read_bytes() for path in Path("masks").rglob("*") if path.is_file()}
    assert len(plain) == 7  # six masks and the settings
    assert {name: masks[name] for name in plain} == plain
    assert masks.keys() - plain.keys() == {Path("manifest.jsonl")}
    good = [line for line in lines() if line["fault"] is None]
    assert [line["mask"] for line in good] == ["a/1.png", "a/5.png", "b/0.png", "b/2.png", "b/4.png", "b/6.png"]
    assert next(line["image"] for line in good) == str(Path("photos/a/1.jpg").absolute())
    assert all(line["seconds"] > 0 for line in good)
    (bad,) = (line for line in lines() if line["fault"] is not None)
    assert (bad["mask"], bad["seconds"]) == (None, None)
    assert "can't be decoded" in bad["fault"]


def test_an_image_that_kills_its_process_is_tried_three_times_and_named(
    config: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("photos/a/3.jpg").unlink()
    tries = []

    def deadly(file: Path, bands: int, max_pixels: int) -> tuple[np.ndarray, bool]:
        if file.name == "4.jpg":
            tries.append(file)
            raise DiedError
        return read_upright(file, bands, max_pixels)

    monkeypatch.setattr(segrnn.tasks.mask_files, "read_upright", deadly)
    engine = Restarting()
    with pytest.raises(DataError, match=r"1 of 6 images have no mask:\n.*4.jpg has no mask: 3 processes have died"):
        write_in_bulk(config, engine)
    assert (len(tries), engine.starts) == (3, 4)
    assert len(list(Path("masks").rglob("*.png"))) == 5
    assert not Path("masks/.claim").exists()
    with pytest.raises(DataError, match="3 processes"):
        write_in_bulk(config, Restarting())  # another start tries it again
    assert len(tries) == 6
    assert len(lines()) == 6


def test_a_start_that_was_cut_short_goes_on(config: Predict, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/a/3.jpg").unlink()

    class Ended(Restarting):
        def map(self, make: Callable, items: Sequence[Any], on_gpus: bool) -> Iterator[Any]:
            yield from super().map(make, items[:2], on_gpus)
            make()(items[2], Earlier())  # which is not reported any more
            raise OutputError("the cluster is gone")

    with pytest.raises(OutputError, match="gone"):
        write_in_bulk(config, Ended())
    assert [line["mask"] for line in lines()] == ["a/1.png", "a/5.png"]
    assert not Path("masks/.claim").exists()
    with Path("masks/manifest.jsonl").open("a") as file:
        file.write('{"image": "cut o')
    times = {path: path.stat().st_mtime_ns for path in Path("masks").rglob("*.png")}
    assert len(times) == 3
    assert len(write_in_bulk(config, Restarting())) == 3
    assert "3 of 6 masks are already in masks" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert [line["mask"] for line in lines()] == ["a/1.png", "a/5.png", "b/0.png", "b/2.png", "b/4.png", "b/6.png"]
    assert [line["seconds"] is None for line in lines()] == [False, False, True, False, False, False]


def test_a_mask_that_a_dead_process_has_written_is_not_written_again(config: Predict) -> None:
    """Its report was lost, and the engine hands out the image once more."""
    Path("photos/a/3.jpg").unlink()

    class Twice(Restarting):
        def map(self, make: Callable, items: Sequence[Any], on_gpus: bool) -> Iterator[Any]:
            work = make()
            work(items[0], Earlier())
            os.utime(Path("masks", items[0].mask), (0, 0))
            yield work(items[0], Earlier(starts=1))
            yield from super().map(lambda: work, items[1:], on_gpus)

    assert len(write_in_bulk(config, Twice())) == 6
    assert Path("masks/a/1.png").stat().st_mtime == 0
    assert lines()[0]["seconds"] is None


def test_a_manifest_that_can_not_be_written(config: Predict) -> None:
    Path("masks/manifest.jsonl").mkdir(parents=True)
    with (
        pytest.raises(OutputError, match=r"masks/manifest.jsonl can't be written"),
        Manifest(LocalFolder(Path("masks")), [], []).growing(),
    ):
        pass


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["output=a.json", "format=coco"], "engine=ray writes a file for each image, and format=coco is another kind"),
        (["input=a.mp4"], "engine=ray needs images, and input=a.mp4 is a video"),
        (["logger=wandb"], "engine=ray keeps no images for a dashboard"),
        (["engine._target_=os.system"], "engine._target_='os.system' is not allowed"),
    ],
)
def test_what_ray_can_not_do_is_said_at_once(
    config: Predict, words: list[str], message: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", "ckpt=bundle", "input=photos", "output=masks", "engine=ray", *words) == 2
    assert message in capsys.readouterr().err


def test_several_processes_of_torchrun_and_ray(
    config: Predict, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert run("predict", "ckpt=bundle", "input=photos", "output=masks", "engine=ray") == 2
    assert "2 processes were started, but with engine=ray one process hands out the images" in capsys.readouterr().err
