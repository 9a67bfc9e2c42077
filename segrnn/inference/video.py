"""Videos, frame by frame."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from segrnn.errors import DataError, OutputError
from segrnn.labels.space import ByteArray

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


class Video:
    """The frames of a video in their order, of which one at a time is in memory.

    OpenCV decodes it, which albumentations brings along.

    Args:
        path: the file.

    Attributes:
        frames: how many the file says that it has.
        rate: frames per second.

    Raises:
        DataError: the file is missing or no video.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"input={path} does not exist")
        self.path = path
        capture = cv2.VideoCapture(str(path))
        opened = capture.isOpened()
        self.frames, self.rate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        if not opened:
            raise DataError(f"input={path} ({path.stat().st_size} bytes) can't be decoded as a video")

    def __iter__(self) -> Iterator[ByteArray]:
        """RGB frames ``(H, W, 3)``.

        Raises:
            DataError: after the last frame, where there are fewer than the file says.
        """
        capture = cv2.VideoCapture(str(self.path))
        count = 0
        try:
            while True:
                read, frame = capture.read()
                if not read:
                    break
                count += 1
                yield np.ascontiguousarray(frame[..., ::-1])  # OpenCV has blue first
        finally:
            capture.release()
        if count < self.frames:
            raise DataError(f"{self.path} breaks off after {count} of {self.frames} frames")


def write_video(path: Path, rate: float, frames: Iterator[ByteArray]) -> None:
    """Write frames ``(H, W, 3)`` of one size as an MP4, which gets its name when it is whole.

    Raises:
        OutputError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as scratch:
            draft = Path(scratch, path.name)
            writer = None
            for frame in frames:
                if writer is None:
                    size = frame.shape[1], frame.shape[0]
                    writer = cv2.VideoWriter(str(draft), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
                    if not writer.isOpened():
                        raise OutputError(f"{path} can't be written as a video of {size[0]} x {size[1]}")
                writer.write(np.ascontiguousarray(frame[..., ::-1]))
            if writer is None:
                raise OutputError(f"{path} would be a video without a frame")
            writer.release()
            os.replace(draft, path)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}") from error
