"""Videos that are written play in a browser, and show what was written."""

import base64
import io
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from selenium import webdriver

from segrnn.errors import OutputError
from segrnn.inference import Video, write_video
from segrnn.labels import CAMVID

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

SHOW = """
const [source, time, done] = arguments;
const video = document.createElement('video');
// A video is drawn only when its picture is there: on a busy machine, the event `seeked` may come before it.
const draw = (now, frame) => {
  if (Math.abs(frame.mediaTime - time) > 0.1) {
    video.requestVideoFrameCallback(draw);
    return;
  }
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  done({picture: canvas.toDataURL('image/png'), duration: video.duration});
};
video.muted = true;
video.onerror = () => done({error: video.error.message});
video.onloadeddata = () => { video.currentTime = time; };
video.requestVideoFrameCallback(draw);
video.src = source;
"""


def masks(count: int, height: int, width: int) -> list[np.ndarray]:
    """Coloured masks of vertical bands that move."""
    columns = np.arange(width) // 16
    return [CAMVID.colorize(np.tile((columns + i).astype(np.uint8) % 11, (height, 1))) for i in range(count)]


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("size", [(48, 64), (47, 61), pytest.param((1, 1), marks=pytest.mark.thorough)])
def test_what_is_written_is_read(suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    frames = masks(5, *size)
    write_video(tmp_path / f"a{suffix}", 12.5, iter(frames))
    video = Video(tmp_path / f"a{suffix}")
    found = list(video)
    assert video.rate == pytest.approx(12.5)
    assert len(found) == 5
    height, width = size
    assert found[0].shape == (height + height % 2, width + width % 2, 3)
    inside = [frame[:height, :width].astype(float) for frame in found]
    assert (
        np.mean([np.abs(new - old).mean() for new, old in zip(inside, frames, strict=True)]) < 12
    )  # colours are lossy


def test_a_rate_that_is_no_whole_number(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 30000 / 1001, iter(masks(3, 16, 16)))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
        assert container.streams.audio == ()


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"a\.avi: videos are written as \.mp4, \.m4v, \.mov, \.mkv, \.webm: choose one"
    ):
        write_video(tmp_path / "a.avi", 25, iter(masks(1, 8, 8)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no browser: apt-get install chromium chromium-driver")
@pytest.mark.parametrize(("suffix", "kind"), [(".mp4", "video/mp4"), (".webm", "video/webm")])
def test_a_browser_plays_it(suffix: str, kind: str, tmp_path: Path) -> None:
    frames = masks(10, 96, 128)
    write_video(tmp_path / f"a{suffix}", 10, iter(frames))
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        content = base64.b64encode((tmp_path / f"a{suffix}").read_bytes()).decode()
        shown = browser.execute_async_script(SHOW, f"data:{kind};base64,{content}", 0.55)
    assert "error" not in shown, shown
    assert shown["duration"] == pytest.approx(1, abs=0.15)
    picture = Image.open(io.BytesIO(base64.b64decode(shown["picture"].partition(",")[2]))).convert("RGB")
    assert np.abs(np.asarray(picture, float) - frames[5]).mean() < 12
