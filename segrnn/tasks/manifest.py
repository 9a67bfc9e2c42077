"""The list of all images of a prediction, with what has become of each of them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segrnn.atomic import write_text
from segrnn.errors import OutputError
from segrnn.inference import Job

NAME = "manifest.jsonl"
"""The name of the file. Each line is an object of JSON."""


class Manifest:
    """What has become of each image, in a file that grows by a line whenever an image is done.

    A line has ``image``, ``mask`` (its path in the output, or null), ``seconds`` (or null, if they are not known) and
    ``fault`` (the reason why there is no mask, or null).

    Args:
        output: the folder of the masks.
        jobs: all images, in the order of the finished list.
        kept: the images that have masks from an earlier start. Their lines are taken over.
    """

    def __init__(self, output: Path, jobs: Sequence[Job], kept: Sequence[Job]) -> None:
        self._output, self._jobs = output, jobs
        former = _read(output / NAME)
        self._lines: dict[Path, dict[str, Any]] = {}
        for job in kept:
            line = self._line(job)
            self._lines[job.mask] = former.get(line["mask"], line)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Write the lines of images that are added meanwhile, and put all lines in order at the end.

        Raises:
            OutputError: the file can't be written.
        """
        path = self._output / NAME
        self._write(path)
        try:
            with path.open("a", encoding="utf-8") as self._file:
                yield
        except OSError as error:
            raise OutputError(f"{path} can't be written: {error}") from error
        self._write(path)

    def add(self, job: Job, seconds: float | None, fault: str) -> None:
        """Add what has become of an image.

        Args:
            job: the image and its mask's file.
            seconds: how long it took; None if that is not known.
            fault: the reason why there is no mask; an empty text if there is one.
        """
        line = self._line(job, seconds, fault)
        self._lines[job.mask] = line
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _line(self, job: Job, seconds: float | None = None, fault: str = "") -> dict[str, Any]:
        mask = None if fault else job.mask.relative_to(self._output).as_posix()
        return {"image": str(job.image), "mask": mask, "seconds": seconds, "fault": fault or None}

    def _write(self, path: Path) -> None:
        lines = [self._lines[job.mask] for job in self._jobs if job.mask in self._lines]
        write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of images that have masks, by the masks. The last line of a killed process may be cut off."""
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    for text in lines:
        try:
            line = json.loads(text)
            found[line["mask"]] = line
        except (ValueError, TypeError, KeyError):
            continue
    return found
