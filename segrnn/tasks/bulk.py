"""Masks of very many images, by processes that may be on other machines and may die."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple, Protocol

import torch
from rich.progress import track

from segrnn.config.predictor_builder import assemble_predictor, build_predictor, stays_on_cpu
from segrnn.config.schema import Predict
from segrnn.errors import CheckpointError
from segrnn.images.storage import source_of
from segrnn.inference import Job, digest_weights, locate, plan, take_up
from segrnn.memory import keep_freed_memory
from segrnn.outputs import LocalFolder, Output, output_at
from segrnn.process_group import Item, ProcessGroup, Result
from segrnn.tasks.manifest import Manifest
from segrnn.tasks.mask_files import (
    Done,
    MaskWriter,
    archives_of,
    filling,
    formats_of,
    put_away,
    say_kept,
    settings_of,
    sum_up,
)
from segrnn.text import tell

_TRIES = 3
"""The number of processes that may die of an image before it is left out."""


class Earlier(NamedTuple):
    """What has happened to an item before. It is handed out again if a process dies, so its result may be lost."""

    starts: int = 0
    """The number of times that a process has begun it."""
    deaths: int = 0
    """The number of processes that have begun it and died before they had its result."""


class Engine(Protocol):
    """Several processes that share some work."""

    def map(
        self, make: Callable[[], Callable[[Item, Earlier], Result]], items: Sequence[Item], on_gpus: bool
    ) -> Generator[Result, None, None]:
        """Yield the results of all items, in any order. `make` makes what does the work, in each process."""


def write_in_bulk(config: Predict, engine: Engine) -> list[PurePath]:
    """Write a mask for each image by the processes of an engine, and a manifest of all images.

    An image of which a process dies is tried again, and is left out after some tries. The output must lie in a store,
    or on a disk that all processes reach.

    Args:
        config: the configuration of ``conf/predict.yaml``, with a format that has a file for each image.
        engine: the processes.

    Returns:
        The paths in the output of the masks that were written.

    Raises:
        SegrnnError: the checkpoint, the output, an image or the engine is at fault.
    """
    output, format = _reached(config), formats_of(config)[config.format]
    located = replace(config, ckpt=[locate(source) for source in config.ckpt])
    source = source_of(config.input)
    jobs = plan(source.absolute() if isinstance(source, Path) else source, output, format.suffix, config.inside, tell)
    on_gpus = not stays_on_cpu(located.ckpt, config)
    format.check(assemble_predictor(located.ckpt, config, torch.device("cpu")).info.labels)
    weights = [digest_weights(path) for path in located.ckpt]
    # each machine gets networks with an address by itself
    sources = [
        str(Path(path).absolute()) if path == source else source
        for source, path in zip(config.ckpt, located.ckpt, strict=True)
    ]
    archives = archives_of(config, output)
    make = partial(_Labeller, replace(config, ckpt=sources), None if archives else output, weights)
    with output.claimed():
        left = take_up(jobs, output, settings_of(located), config.overwrite, archives)
        say_kept(len(jobs) - len(left), len(jobs), config)
        with filling(archives), closing(engine.map(make, left, on_gpus)) as reports:
            kept = (replace(report, done=put_away(report.done, archives)) for report in reports)
            done, remarks = _collect(kept, jobs, left, output)
    return sum_up(done, len(jobs), config, remarks)


def _reached(config: Predict) -> Output:
    """Return the output as processes in other folders name it."""
    output = output_at(config.output)
    return LocalFolder(output.path.absolute()) if isinstance(output, LocalFolder) else output


@dataclass(frozen=True)
class _Report:
    """What has become of an image, and what its process has to say."""

    done: Done
    seconds: float | None = None
    remarks: Counter[str] = field(default_factory=Counter)
    said: tuple[str, ...] = ()


def _collect(
    reports: Iterator[_Report], jobs: Sequence[Job], left: Sequence[Job], output: Output
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
        output: the folder of the masks, or None if this process sends them back.
        weights: the digests of the networks' weights.

    Raises:
        CheckpointError: this process has got another network.
    """

    def __init__(self, config: Predict, output: Output | None, weights: Sequence[str]) -> None:
        if config.keep_memory:
            keep_freed_memory()
        self._format, self._output = formats_of(config)[config.format], output
        self._said: list[str] = []
        paths = [locate(source) for source in config.ckpt]
        for source, path, digest in zip(config.ckpt, paths, weights, strict=True):
            if digest_weights(path) != digest:
                raise CheckpointError(f"{source} has changed since the command began: start it again")
        predictor = build_predictor(paths, config, ProcessGroup())
        self._write = MaskWriter(predictor, self._format, output, config.max_pixels, self._said.append)

    def __call__(self, job: Job, earlier: Earlier) -> _Report:
        """Write the mask of an image, unless processes have died of it."""
        if earlier.starts and self._output and self._output.holds(job.mask):
            return _Report(Done(job))  # a process has written it and died before its report
        if earlier.deaths >= _TRIES:
            reason = f"{job.image} has no mask: {earlier.deaths} processes have died while they labelled it"
            return _Report(Done(job, f"{reason}. It may be damaged, or need more memory than there is"))
        before, start = self._format.remarks(), time.perf_counter()
        done = self._write(job)
        seconds = round(time.perf_counter() - start, 4)
        said = tuple(self._said)
        self._said.clear()
        return _Report(done, None if done.fault else seconds, self._format.remarks() - before, said)
