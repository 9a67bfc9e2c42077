"""Masks of very many images, by processes that may be on other machines and may die."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from os import fsencode
from pathlib import Path
from typing import Protocol

import torch
from rich.progress import track

from segrnn.claims import claimed
from segrnn.config.predictor_builder import assemble_predictor, build_predictor, stays_on_cpu
from segrnn.config.schema import Predict
from segrnn.images.storage import source_of
from segrnn.inference import Job, plan, take_up
from segrnn.memory import keep_freed_memory
from segrnn.process_group import Item, ProcessGroup, Result
from segrnn.tasks.manifest import Manifest
from segrnn.tasks.mask_files import Done, MaskWriter, formats_of, say_kept, settings_of, sum_up
from segrnn.text import tell

_TRIES = 3
"""The number of processes that may die of an image before it is left out."""

_SCRATCH = ".bulk"
"""The folder in the output that holds the claim of the command, and a file for each image that is being labelled."""


class Engine(Protocol):
    """Several processes that share some work."""

    def map(
        self, make: Callable[[], Callable[[Item], Result]], items: Sequence[Item], on_gpus: bool
    ) -> Generator[Result, None, None]:
        """Yield the results of all items, in any order. `make` makes what does the work, in each process."""


def write_in_bulk(config: Predict, engine: Engine) -> list[Path]:
    """Write a mask for each image by the processes of an engine, and a manifest of all images.

    An image of which a process dies is tried again, and is left out after some tries. The output must lie on a disk
    that all processes reach.

    Args:
        config: the configuration of ``conf/predict.yaml``, with a format that has a file for each image.
        engine: the processes.

    Returns:
        The masks that were written.

    Raises:
        SegrnnError: the checkpoint, the output, an image or the engine is at fault.
    """
    output, format = Path(config.output).absolute(), formats_of(config)[config.format]
    source = source_of(config.input)
    jobs = plan(source.absolute() if isinstance(source, Path) else source, output, format.suffix, config.inside, tell)
    on_gpus = not stays_on_cpu(config.ckpt, config)
    format.check(assemble_predictor(config.ckpt, config, torch.device("cpu")).info.labels)
    placed = replace(config, ckpt=[str(Path(path).absolute()) for path in config.ckpt])
    with _scratch_folder(output / _SCRATCH) as begun:
        left = take_up(jobs, output, settings_of(config), config.overwrite)
        say_kept(len(jobs) - len(left), len(jobs), config)
        with closing(engine.map(partial(_Labeller, placed, begun), left, on_gpus)) as reports:
            done, remarks = _collect(reports, jobs, left, output)
    return sum_up(done, len(jobs), config, remarks)


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Claim a folder, and give an empty folder in it. Both are removed at the end.

    Raises:
        OutputError: another process has claimed it, or it can't be made.
    """
    begun = folder / "begun"
    try:
        with claimed(folder, tell):
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            try:
                yield begun
            finally:
                shutil.rmtree(begun, ignore_errors=True)
    finally:
        with suppress(OSError):  # another process may have claimed it by now
            folder.rmdir()


@dataclass(frozen=True)
class _Report:
    """What has become of an image, and what its process has to say."""

    done: Done
    seconds: float | None = None
    remarks: Counter[str] = field(default_factory=Counter)
    said: tuple[str, ...] = ()


def _collect(
    reports: Iterator[_Report], jobs: Sequence[Job], left: Sequence[Job], output: Path
) -> tuple[list[Done], Counter[str]]:
    """Write the manifest while reports come in. Return what has become of the images, and all remarks on them."""
    missing = {job.mask for job in left}
    manifest = Manifest(output, jobs, [job for job in jobs if job.mask not in missing])
    done: list[Done] = []
    remarks: Counter[str] = Counter()
    said = False
    with manifest.growing():
        for report in track(reports, description="predict", total=len(left)):
            manifest.add(report.done.job, report.seconds, report.done.fault)
            done.append(report.done)
            remarks += report.remarks
            if report.said and not said:  # each process says it once
                said = True
                tell("\n".join(report.said))
    return done, remarks


class _Labeller:
    """Labels images in one of several processes.

    Args:
        config: the configuration.
        begun: the folder with a file for each image that is being labelled. The file has as many bytes as processes
            have begun the image. A process that dies leaves it there.
    """

    def __init__(self, config: Predict, begun: Path) -> None:
        if config.keep_memory:
            keep_freed_memory()
        self._format, self._begun = formats_of(config)[config.format], begun
        self._said: list[str] = []
        predictor = build_predictor(config.ckpt, config, ProcessGroup())
        self._write = MaskWriter(predictor, self._format, config.max_pixels, self._said.append)

    def __call__(self, job: Job) -> _Report:
        """Write the mask of an image, unless processes have died of it."""
        if job.mask.exists():  # by a process that has died before its report
            return _Report(Done(job))
        mark = self._begun / sha256(fsencode(job.mask)).hexdigest()
        deaths = mark.stat().st_size if mark.exists() else 0
        if deaths >= _TRIES:
            reason = f"{job.image} has no mask: {deaths} processes have died while they labelled it"
            return _Report(Done(job, f"{reason}. It may be damaged, or need more memory than there is"))
        with mark.open("ab") as file:
            file.write(b".")
        before, start = self._format.remarks(), time.perf_counter()
        done = self._write(job)
        seconds = round(time.perf_counter() - start, 4)
        mark.unlink()
        said = tuple(self._said)
        self._said.clear()
        return _Report(done, None if done.fault else seconds, self._format.remarks() - before, said)
