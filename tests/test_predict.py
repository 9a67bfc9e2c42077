"""Masks of whole folders and videos: everything is labelled, what can't be is named, and nothing is left half done."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import SMALL, Run
from PIL import Image
from small_bundle import save_small_bundle

import segrnn
from segrnn.errors import DataError, OutputError
from segrnn.inference import Video, write_video


@pytest.fixture
def bundle(run: Run) -> Path:
    """A network that was not trained, as a folder."""
    return save_small_bundle("bundle")


def save(path: Path, picture: Image.Image, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)


def mixed_folder(folder: Path, count: int) -> dict[str, tuple[int, int]]:
    """Images of all kinds, and one that is cut short; their names and sizes."""
    rng = np.random.default_rng(0)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    sizes = {}
    for i in range(count - 1):
        width, height = (int(side) for side in rng.integers(8, 40, 2))
        color = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
        name, picture, options = [
            (f"rgb{i}.png", color, {}),
            (f"grey{i}.jpg", color.convert("L"), {}),
            (f"rgba{i}.png", color.convert("RGBA"), {}),
            (f"deep{i}.png", Image.fromarray(rng.integers(0, 65536, (height, width), np.uint16)), {}),
            (f"palette{i}.png", color.quantize(16), {}),
            (f"cmyk{i}.jpg", color.convert("CMYK"), {}),
            (f"sub/exif{i}.jpg", color, {"exif": rotated}),
            (f"lossy{i}.webp", color, {}),
        ][i % 8]
        save(folder / name, picture, **options)
        sizes[name] = (height, width) if "exif" in name else (width, height)
    save(folder / "zz.jpg", Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)))
    (folder / "zz.jpg").write_bytes((folder / "zz.jpg").read_bytes()[:-200])
    return sizes


def check_masks(folder: Path, sizes: dict[str, tuple[int, int]]) -> None:
    masks = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(masks) == {Path(name).with_suffix(".png").as_posix() for name in sizes} | {"predict.json"}
    for name, size in sizes.items():
        with Image.open(folder / Path(name).with_suffix(".png")) as mask:
            mask.load()
            assert (mask.size, mask.mode) == (size, "L")


def test_a_folder_of_all_kinds_of_images(bundle: Path, run: Run, capsys) -> None:
    sizes = mixed_folder(Path("photos"), 17)
    ask = ("predict", f"ckpt={bundle}", "input=photos", "output=masks")
    assert run(*ask) == 2
    printed = capsys.readouterr()
    assert "16 masks (label_ids) in masks" in printed.out
    assert printed.out.count("EXIF") == 1
    assert "EXIF tags turn 2 images, e.g. photos/sub/exif14.jpg: the masks have the size that" in printed.out
    assert "1 of 17 images have no mask:\nphotos/zz.jpg (" in printed.err
    check_masks(Path("masks"), sizes)

    written = {path: path.stat().st_mtime_ns for path in Path("masks").rglob("*.png")}
    lost = min(written)
    content = lost.read_bytes()
    lost.unlink()
    assert run(*ask) == 2
    assert "15 of 17 masks are already in masks from an earlier start" in capsys.readouterr().out
    assert lost.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in Path("masks").rglob("*.png") if path != lost} == {
        path: when for path, when in written.items() if path != lost
    }
    assert run(*ask, "flip=true") == 2
    assert "16 of 17 masks exist already and were made with other settings, e.g. " in capsys.readouterr().err
    assert run(*ask, "flip=true", "overwrite=true") == 2
    assert json.loads(Path("masks/predict.json").read_text())["flip"] is True
    check_masks(Path("masks"), sizes)


@pytest.mark.thorough
def test_two_hundred_images_and_a_kill_in_the_middle(bundle: Path) -> None:
    sizes = mixed_folder(Path("photos"), 200)
    ask = [sys.executable, "-m", "segrnn.predict", f"ckpt={bundle}", "input=photos", "output=masks"]
    process = subprocess.Popen(ask, stdout=subprocess.DEVNULL)
    while len(list(Path("masks").rglob("*.png"))) < 60:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.read_bytes() for path in Path("masks").rglob("*.png")}
    assert 60 <= len(kept) < 199
    for path in kept:
        Image.open(path).load()
    Path("masks/.rgb0-abcd.part").write_bytes(b"what a kill in the midst of writing leaves")
    done = subprocess.run(ask, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{len(kept)} of 200 masks are already in masks" in done.stdout
    assert f"{199 - len(kept)} masks (label_ids) in masks" in done.stdout
    assert "1 of 200 images have no mask:\nphotos/zz.jpg (" in done.stderr
    assert all(path.read_bytes() == content for path, content in kept.items())
    check_masks(Path("masks"), sizes)
    whole = subprocess.run([*ask[:-1], "output=whole"], capture_output=True, text=True)
    assert whole.returncode == 2
    for path in Path("whole").rglob("*.png"):
        assert path.read_bytes() == Path("masks", path.relative_to("whole")).read_bytes()


@pytest.mark.slow
def test_probabilities_add_up(bundle: Path, run: Run, camvid: Path) -> None:
    for folder, more in {"whole": [], "windowed": ["windows.size=[16,20]", "scales=[1.0,1.5]"]}.items():
        ask = ("predict", f"ckpt={bundle}", f"input={camvid}/val", *more)
        assert run(*ask, f"output={folder}", "format=probabilities") == 0
        assert run(*ask, f"output={folder}_ids", "format=train_ids") == 0
        files = sorted(Path(folder).glob("*.npy"))
        assert len(files) == 5
        for file in files:
            values = np.load(file).astype(np.float32)
            with Image.open(Path(f"{folder}_ids", f"{file.stem}.png")) as mask:
                assert values.shape == (11, mask.height, mask.width)
                chosen = np.take_along_axis(values, np.asarray(mask)[None].astype(np.int64), axis=0)[0]
            np.testing.assert_allclose(values.sum(axis=0), 1, atol=0.01)
            assert (chosen >= values.max(axis=0) - 1e-3).all()


@pytest.mark.thorough
def test_a_bundle_is_scored_as_its_checkpoint(run: Run, camvid: Path) -> None:
    assert run("train", *SMALL, "data=camvid", f"data.root={camvid}", "hydra.run.dir=trained") == 0
    segrnn.load("trained/checkpoints/last.ckpt").save("bundle")
    scores = {}
    for name, more in {
        "checkpoint": [],
        "bundle": [],
        "windows as large as the image": ["windows.size=[500,500]"],
        "windows": ["windows.size=[16,16]", "windows.stride=[8,12]", "windows.gaussian=false"],
        "looks": ["scales=[0.75,1.0,1.25]", "flip=true"],
    }.items():
        ckpt = "trained/checkpoints/last.ckpt" if name == "checkpoint" else "bundle"
        assert run("evaluate", f"ckpt={ckpt}", f"hydra.run.dir={name.replace(' ', '_')}", *more) == 0
        metrics = json.loads(Path(name.replace(" ", "_"), "metrics.json").read_text())
        scores[name] = metrics["miou"], metrics["calibration"]
    assert scores["checkpoint"] == scores["bundle"] == scores["windows as large as the image"]
    assert len({str(found) for found in scores.values()}) == 3
    report = Path("windows/report.html").read_text()
    assert "16 x 16 every 8 x 12, uniform" in report


@pytest.mark.thorough  # tests/test_export.py has the file itself in the slow run
def test_onnx_runtime_labels_and_scores_as_torch_does(run: Run, bundle: Path, camvid: Path, capsys) -> None:
    data = ["data=camvid", f"data.root={camvid}", "data.workers=0"]
    exported = ["format=onnx", "output=model.onnx"]
    assert run("export", f"ckpt={bundle}", *exported) == 0
    capsys.readouterr()
    ways = {"torch": [f"ckpt={bundle}"], "onnx": [f"ckpt={bundle}", "runtime=onnx"], "file": ["ckpt=model.onnx"]}
    masks = {}
    for name, way in ways.items():
        assert run("predict", *way, f"input={camvid / 'val'}", f"output={name}", "keep_memory=false") == 0
        masks[name] = np.stack([np.asarray(Image.open(path)) for path in sorted(Path(name).rglob("*.png"))])
        assert run("evaluate", *way, *data, f"hydra.run.dir=scores/{name}") == 0
    assert (masks["onnx"] == masks["torch"]).mean() > 0.999  # but for ties
    assert (masks["file"] == masks["torch"]).mean() > 0.999
    said = capsys.readouterr().out
    assert (
        said.count("exporting the network for ONNX Runtime; the file is kept for the next time: ") == 1
    )  # evaluate takes up what predict wrote
    assert len(list(bundle.parent.glob("bundle.*.onnx"))) == 1
    scores = {name: json.loads(Path(f"scores/{name}/metrics.json").read_text())["miou"] for name in ways}
    assert scores["onnx"] == pytest.approx(scores["torch"], abs=1e-3)
    assert scores["file"] == pytest.approx(scores["torch"], abs=1e-3)

    for wrong, message in {
        "device=cuda runtime=onnx": "ONNX Runtime runs on the CPU only",
        "runtime=tensorrt": "runtime=tensorrt must be one of torch, onnx",
        "keep_memory=maybe": "keep_memory=maybe must be true or false",
    }.items():
        assert run("predict", f"ckpt={bundle}", f"input={camvid / 'val'}", "output=y", *wrong.split()) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        assert message in error
    assert run("evaluate", "ckpt=model.onnx") == 2
    assert "data=" in capsys.readouterr().err
    assert run("evaluate", "ckpt=gone.onnx", *data) == 2
    assert "gone.onnx does not exist" in capsys.readouterr().err


def test_a_bundle_from_nowhere_wants_to_know_the_data(bundle: Path, run: Run, camvid: Path, capsys) -> None:
    assert run("evaluate", f"ckpt={bundle}") == 2
    assert "data" in capsys.readouterr().err
    assert run("evaluate", f"ckpt={bundle}", "data=camvid", f"data.root={camvid}") == 0


def draw_video(path: Path, frames: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Each frame says by its brightness which one it is."""
    pictures = [np.full((size[1], size[0], 3), 20 + 200 * i // frames, np.uint8) for i in range(frames)]
    write_video(path, 25, iter(pictures))
    return pictures


def test_frames_come_in_their_order(tmp_path: Path) -> None:
    pictures = draw_video(tmp_path / "a.mp4", 20)
    video = Video(tmp_path / "a.mp4")
    assert (video.promised, video.rate, video.remarks) == (20, 25, [])
    found = [int(frame.mean()) for frame in video]
    assert len(found) == 20
    np.testing.assert_allclose(found, [picture.mean() for picture in pictures], atol=4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_on_a_web_server_and_a_camera(
    bundle: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_video(tmp_path / "films" / "a.mp4", 3)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "films"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.mp4"
        assert run("predict", f"ckpt={bundle}", f"input={address}", "output=from_web") == 0
        server.shutdown()
    assert run("predict", f"ckpt={bundle}", f"input={tmp_path}/films/a.mp4", "output=from_disk") == 0
    masks = [{path.name: path.read_bytes() for path in Path(name).glob("*.png")} for name in ("from_web", "from_disk")]
    assert masks[0] == masks[1]
    assert len(masks[0]) == 3

    opened: list[Any] = []
    film, open_video = str(tmp_path / "films" / "a.mp4"), cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: (opened.append(source), open_video(film))[1])
    assert run("predict", f"ckpt={bundle}", "input=camera:1", "output=from_camera") == 0
    assert set(opened) == {1}
    assert {path.name: path.read_bytes() for path in Path("from_camera").glob("*.png")} == masks[1]
    assert run("predict", f"ckpt={bundle}", "input=camera:1", "output=a.mp4", "format=overlay") == 2
    assert "a camera has no end, and a video needs one" in " ".join(capsys.readouterr().err.split())
    secret = "rtsp://user:secret@host/stream"
    assert run("predict", f"ckpt={bundle}", f"input={secret}", "output=from_stream") == 0
    assert "secret" not in Path("from_stream/predict.json").read_text()


def test_videos_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"\(8 bytes\) can't be decoded as a video"):
        Video(tmp_path / "text.mp4")
    with pytest.raises(OutputError, match="the video would have no frames"):
        write_video(tmp_path / "empty.mp4", 25, iter([]))
    save(tmp_path / "picture.mp4", Image.new("RGB", (9, 9)), format="PNG")
    with pytest.raises(DataError, match=r"picture\.mp4 is a picture \(PNG\), not a video"):
        Video(tmp_path / "picture.mp4")
    draw_video(tmp_path / "small.mp4", 3)
    with pytest.raises(
        DataError, match=r"claims to have frames of 64 x 48, which have more pixels than max_pixels=3071"
    ):
        Video(tmp_path / "small.mp4", max_pixels=3071)
    assert [path.name for path in tmp_path.glob(".*")] == []


def promise_longer(path: Path, more: float) -> None:
    """Let a Matroska file say that it is longer, as one with a longer sound track does."""
    content = bytearray(path.read_bytes())
    place = content.find(b"\x44\x89\x88") + 3
    [duration] = struct.unpack(">d", content[place : place + 8])
    content[place : place + 8] = struct.pack(">d", duration + more)
    path.write_bytes(content)


def draw_clip(path: Path, code: str, count: int = 6) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (48, 32))
    for i in range(count):
        writer.write(np.full((32, 48, 3), 20 * i, np.uint8))
    writer.release()


def test_a_video_that_promises_more_frames_keeps_what_was_decoded(bundle: Path, run: Run, capsys) -> None:
    draw_clip(Path("long.mkv"), "mp4v")
    promise_longer(Path("long.mkv"), 4000)
    promised = Video(Path("long.mkv")).promised
    assert promised
    assert promised > 6
    ask = ("predict", f"ckpt={bundle}", "input=long.mkv")
    assert run(*ask, "output=painted.mp4", "format=overlay") == 0
    said = f"6 of the {promised} frames that long.mkv promises could be decoded"
    assert said in capsys.readouterr().out
    assert len(list(Video(Path("painted.mp4")))) == 6
    assert run(*ask, "output=masks") == 0
    assert said in capsys.readouterr().out
    masks = sorted(Path("masks").glob("*.png"))
    assert [path.name for path in masks] == [f"{i:06d}.png" for i in range(1, 7)]
    for mask in masks[3:]:
        mask.unlink()
    Path("masks/.000004-abcd.part").write_bytes(b"what a kill in the midst of writing leaves")
    assert run(*ask, "output=masks") == 0
    assert f"3 of {promised} masks are already in masks" in capsys.readouterr().out
    assert sorted(path.name for path in Path("masks").iterdir()) == [*(path.name for path in masks), "predict.json"]
    assert run(*ask, "output=masks", "flip=true") == 2
    assert "made with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scale", "rate", "remark"),
    [(1, 10, ""), (1, 10**9, "1e+09 frames a second: 25 are assumed"), (1, 0, "")],
    ids=["frames", "frames and rate", "frames and no rate"],
)
def test_what_a_header_claims_is_not_planned_for(scale: int, rate: int, remark: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.avi"
    draw_clip(path, "MJPG")
    content = bytearray(path.read_bytes())
    main, stream = content.find(b"avih") + 8, content.find(b"strh") + 8
    content[main + 16 : main + 20] = content[stream + 32 : stream + 36] = struct.pack("<I", 2**31)
    content[stream + 20 : stream + 28] = struct.pack("<II", scale, rate)
    path.write_bytes(content)
    video = Video(path)
    assert video.promised is None
    assert 0 < video.rate <= 1000
    assert video.remarks[-1] == f"{path} claims to have 2147483648 frames: those that can be decoded are read"
    assert remark in video.remarks[0]
    assert len(list(video)) == 6


def test_a_video_without_a_frame_is_one_message(tmp_path: Path) -> None:
    draw_clip(tmp_path / "none.avi", "MJPG")
    content = (tmp_path / "none.avi").read_bytes()
    (tmp_path / "none.avi").write_bytes(content[: content.find(b"movi") + 4])
    with pytest.raises(DataError, match=r"none\.avi \(\d+ bytes\) has no frame that can be decoded"):
        list(Video(tmp_path / "none.avi"))


def test_frames_of_another_size_are_brought_to_that_of_the_first(tmp_path: Path) -> None:
    sizes = [(48, 64), (24, 32), (96, 40)]
    write_video(tmp_path / "a.mp4", 10, (np.full((*size, 3), 90, np.uint8) for size in sizes))
    assert [frame.shape for frame in Video(tmp_path / "a.mp4")] == [(48, 64, 3)] * 3


def test_a_video_becomes_a_video_or_masks(bundle: Path, run: Run, capsys) -> None:
    draw_video(Path("drive.mp4"), 12)
    ask = ("predict", f"ckpt={bundle}", "input=drive.mp4")
    assert run(*ask, "output=masks", "format=train_ids") == 0
    assert [path.name for path in sorted(Path("masks").glob("*.png"))] == [f"{i:06d}.png" for i in range(1, 13)]
    content = Path("masks/000007.png").read_bytes()
    Path("masks/000007.png").unlink()
    assert run(*ask, "output=masks", "format=train_ids") == 0
    assert Path("masks/000007.png").read_bytes() == content
    assert "11 of 12 masks are already in masks" in capsys.readouterr().out
    assert run(*ask, "output=painted.mp4", "format=overlay") == 0
    painted = Video(Path("painted.mp4"))
    assert (painted.promised, painted.rate) == (12, 25)
    assert [frame.shape for frame in painted] == [(48, 64, 3)] * 12
    assert run(*ask, "output=painted.mp4", "format=overlay") == 2
    assert "painted.mp4 exists already" in capsys.readouterr().err
    assert run(*ask, "output=ids.mp4", "format=train_ids") == 2
    assert "a video's compression would change ids" in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much memory is in use")
def test_memory_does_not_grow_with_a_video(bundle: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds at 640 x 360, whose frames alone take 165 MiB."""
    in_use: list[float] = []
    frames_of = Video.__iter__

    def watched(video: Video) -> Iterator[np.ndarray]:
        for frame in frames_of(video):
            in_use.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
            yield frame

    pictures = draw_video(Path("drive.mp4"), 250, (640, 360))
    with monkeypatch.context() as patch:
        patch.setattr(Video, "__iter__", watched)
        assert run("predict", f"ckpt={bundle}", "input=drive.mp4", "output=painted.mp4", "format=overlay") == 0
    assert len(in_use) == 250
    assert max(in_use[-50:]) < max(in_use[:50]) + 40, in_use
    painted = [float(frame.mean()) for frame in Video(Path("painted.mp4"))]
    assert len(painted) == 250
    # half of each pixel is the frame's own brightness, which says where it belongs
    assert np.corrcoef(painted, [picture.mean() for picture in pictures])[0, 1] > 0.9
