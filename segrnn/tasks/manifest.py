"""The list of all images of a prediction, with what has become of each of them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from segrnn.inference import Job
from segrnn.outputs import Output

NAME = PurePosixPath("manifest.jsonl")
"""The name of the file. Each line is an object of JSON."""


class Manifest:
    """What has become of each image, in a file that grows while images are labelled.

    A line has ``image``, ``mask`` (its path in the output, or null), ``seconds`` (or null, if they are not known) and
    ``fault`` (the reason why there is no mask, or null).

    Args:
        output: the folder of the masks.
        jobs: all images, in the order of the finished list.
        kept: the images that have masks from an earlier start. Their lines are taken over.
    """

    def __init__(self, output: Output, jobs: Sequence[Job], kept: Sequence[Job]) -> None:
        self._output, self._jobs = output, jobs
        former = _read(output)
        self._lines: dict[PurePosixPath, dict[str, Any]] = {}
        for job in kept:
            line = self._line(job)
            self._lines[job.mask] = former.get(line["mask"], line)

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Write the lines of images that are added meanwhile, and put all lines in order at the end.

        Raises:
            OutputError: the file can't be written.
        """
        with self._output.growing(NAME, self._text()) as self._append:
            yield
        self._output.write_text(NAME, self._text())

    def add(self, job: Job, seconds: float | None, fault: str) -> None:
        """Add what has become of an image.

        Args:
            job: the image and its mask's file.
            seconds: how long it took; None if that is not known.
            fault: the reason why there is no mask; an empty text if there is one.
        """
        line = self._line(job, seconds, fault)
        self._lines[job.mask] = line
        self._append(json.dumps(line) + "\n")

    def _line(self, job: Job, seconds: float | None = None, fault: str = "") -> dict[str, Any]:
        mask = None if fault else job.mask.as_posix()
        return {"image": str(job.image), "mask": mask, "seconds": seconds, "fault": fault or None}

    def _text(self) -> str:
        lines = [self._lines[job.mask] for job in self._jobs if job.mask in self._lines]
        return "".join(json.dumps(line) + "\n" for line in lines)


def _read(output: Output) -> dict[str, dict[str, Any]]:
    """Return the lines of images that have masks, by the masks. The last line of a killed process may be cut off."""
    found = {}
    for text in (output.read_text(NAME) or "").splitlines():
        try:
            line = json.loads(text)
            found[line["mask"]] = line
        except (ValueError, TypeError, KeyError):
            continue
    return found
