"""Reading and writing videos frame by frame."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from segrnn.atomic import write_atomically
from segrnn.errors import DataError, OutputError
from segrnn.images.reading import MAX_PIXELS, picture_format
from segrnn.labels.space import ByteArray

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


_CAMERA = re.compile("camera:([0-9]{1,2})")
_STREAMS = ("http://", "https://", "rtsp://", "rtmp://")
_USUAL_RATE = 25.0
_HIGHEST_RATE = 1000.0
_MOST_FRAMES = 10**8
"""More than a month of video. If a file claims more frames than this, the claim is ignored."""


def is_file(source: str) -> bool:
    """Tell whether a source of pictures is a path, and not a camera or the address of a stream.

    Example:
        >>> is_file("street.mp4"), is_file("camera:0"), is_file("rtsp://host/stream")
        (True, False, False)
    """
    return not _CAMERA.fullmatch(source) and not source.startswith(_STREAMS)


def is_video(source: str) -> bool:
    """Tell whether a source of pictures is a video: by its suffix, or because it is a camera or a stream.

    Example:
        >>> is_video("street.mp4"), is_video("camera:0"), is_video("https://host/photos.zip")
        (True, True, False)
    """
    ends_as_video = Path(source.partition("?")[0]).suffix.lower() in VIDEO_SUFFIXES
    return ends_as_video or bool(_CAMERA.fullmatch(source)) or source.startswith(("rtsp://", "rtmp://"))


class Video:
    """The frames of a video in their order. Only one of them is in memory at a time.

    The number of frames that the file claims is not relied on: only decoding shows how many it has.

    OpenCV decodes the video. albumentations installs it.

    Args:
        source: the path of a file, an address such as ``https://host/street.mp4`` or ``rtsp://host/stream``, or
            ``camera:0`` for a camera of this machine.
        max_pixels: the largest number of pixels in a frame. A video that claims larger frames is refused.

    Attributes:
        path: the source, as a path, for names and messages.
        has_end: whether the video ends by itself. A camera does not.
        promised: the number of frames that the file claims; None if it makes no credible claim.
        rate: the frames per second; 25 if the file makes no credible claim.
        remarks: a line for each claim of the file that is not credible.

    Raises:
        DataError: the source is missing or is not a video, or its frames are too large.
    """

    def __init__(self, source: str | Path, max_pixels: int = MAX_PIXELS) -> None:
        camera = _CAMERA.fullmatch(str(source))
        self.path, self.has_end = Path(source), camera is None
        self._source = int(camera[1]) if camera else str(source)
        self._size = "a camera" if camera else "an address"
        if is_file(str(source)):
            path = self.path
            if not path.is_file():
                raise DataError(f"input={path} does not exist")
            if format := picture_format(path):
                raise DataError(
                    f"input={path} is a picture ({format}), not a video: rename it with the suffix of a picture"
                )
            self._size = f"{path.stat().st_size} bytes"
        capture = self._open()
        opened = capture.isOpened()
        frames, rate, width, height = (
            capture.get(key)
            for key in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        capture.release()
        if not opened:
            raise DataError(f"input={source} ({self._size}) can't be decoded as a video")
        if width * height > max_pixels:
            raise DataError(
                f"input={source} claims to have frames of {width:.0f} x {height:.0f}, which have more pixels than "
                f"max_pixels={max_pixels}"
            )
        self.promised = int(frames) if 0 < frames <= _MOST_FRAMES else None
        believed = 0 < rate <= _HIGHEST_RATE
        self.rate = rate if believed else _USUAL_RATE
        self.remarks = [] if believed else [f"{source} claims {rate:g} frames a second: {_USUAL_RATE:g} are assumed"]
        if frames > _MOST_FRAMES:
            self.remarks.append(f"{source} claims to have {frames:.0f} frames: those that can be decoded are read")

    def __iter__(self) -> Iterator[ByteArray]:
        """Yield RGB frames ``(H, W, 3)`` until no more can be decoded.

        Raises:
            DataError: not one frame can be decoded.
        """
        capture = self._open()
        count = 0
        try:
            while True:
                read, frame = capture.read()
                if not read:
                    break
                count += 1
                yield np.ascontiguousarray(frame[..., ::-1])  # OpenCV's channels are BGR
        finally:
            capture.release()
        if not count:
            raise DataError(f"{self.path} ({self._size}) has no frame that can be decoded")

    def _open(self) -> cv2.VideoCapture:
        return cv2.VideoCapture(self._source)


CODECS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv"), ("libx264", {"crf": "18"})),
    ".webm": ("libvpx-vp9", {"crf": "24", "b:v": "0", "row-mt": "1"}),
}
"""The codec of a video that is written, and its quality, by the suffix. Browsers, notebooks and W&B play these."""


def write_video(path: Path, rate: float, frames: Iterator[ByteArray]) -> None:
    """Write frames ``(H, W, 3)`` as a video without sound, which gets its name only when it is complete.

    All frames of a video have one size: frames that differ from the first one are resized to its size. Codecs need even
    sides: an odd side gets one more line, which repeats the last one.

    Args:
        path: the file. Its suffix chooses the codec, see `CODECS`.
        rate: the frames per second.
        frames: the frames.

    Raises:
        OutputError: the suffix is unknown, or the file can't be written.
    """
    if path.suffix.lower() not in CODECS:
        raise OutputError(f"{path}: videos are written as {', '.join(CODECS)}: choose one of these suffixes")
    write_atomically(path, partial(_encode, path, rate, frames), path.suffix)


def _encode(path: Path, rate: float, frames: Iterator[ByteArray], draft: Path) -> None:
    codec, options = CODECS[path.suffix.lower()]
    first = next(frames, None)
    if first is None:
        raise OutputError(f"{path} was not written: the video would have no frames")
    size = first.shape[1], first.shape[0]
    try:
        # players can begin before they have the whole file
        with av.open(str(draft), "w", options={"movflags": "+faststart"}) as container:
            stream = cast(av.VideoStream, container.add_stream(codec, Fraction(rate).limit_denominator(10**5), options))
            stream.width, stream.height, stream.pix_fmt = size[0] + size[0] % 2, size[1] + size[1] % 2, "yuv420p"
            for frame in chain([first], frames):
                if (frame.shape[1], frame.shape[0]) != size:
                    frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST), np.uint8)
                even = np.pad(frame, ((0, size[1] % 2), (0, size[0] % 2), (0, 0)), mode="edge")
                container.mux(stream.encode(av.VideoFrame.from_ndarray(even, "rgb24")))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise OutputError(f"{path} can't be written as a video of {size[0]} x {size[1]}: {error}") from error
