"""Write masks: ``python -m segrnn.predict ckpt=... input=... output=...``."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import track

from segrnn.atomic import write_text
from segrnn.config.parsing import plain
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Predict
from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.images import read_bands, read_upright
from segrnn.images.object_store import is_address
from segrnn.images.storage import File, source_of
from segrnn.inference import (
    FORMATS,
    MAPS,
    PICTURES,
    VIDEO_SUFFIXES,
    Format,
    Job,
    LargeImages,
    Video,
    digest_weights,
    find_images,
    is_file,
    is_video,
    locate,
    plan,
    plan_frames,
    polygon_formats,
    rules_for,
    take_up,
    write_submission,
    write_video,
)
from segrnn.labels import Label
from segrnn.labels.space import ByteArray
from segrnn.polygons import CocoWriter, Outliner
from segrnn.polygons.rle import Size
from segrnn.polygons.shapes import Bitmap
from segrnn.process_group import Item, ProcessGroup, Result, process_group
from segrnn.tasks.dashboards import on_dashboard
from segrnn.tasks.pseudo_labels import write_pseudo_labels
from segrnn.tasks.showcase import Showcase
from segrnn.text import counted, nearest, tell

SUBMISSION, COCO, PSEUDO = "submission", "coco", "pseudo"


def predict(config: Predict, run_dir: Path) -> list[Path]:
    """Write masks or polygons: a file for each image or frame of a video, a video, or one file for all images.

    Images that can't be read are left out, and an error names them at the end. In an archive, no image may be missing.
    If an earlier start with the same settings was cut short, only the missing files are written.

    If torchrun or srun has started several processes, they share the images or frames. The first process alone writes
    videos, and folders to train on.

    If a dashboard is chosen, it shows the first images with their masks, from a new folder in ``runs/predict``.

    Args:
        config: the configuration of ``conf/predict.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The files that were written, in the first process.

    Raises:
        SegrnnError: the checkpoint, the configuration, the output or an image is at fault.
    """
    outliner = Outliner(config.polygons.tolerance, config.polygons.leave_out)
    per_image = {**FORMATS, **MAPS, **polygon_formats(outliner)}
    formats = [*per_image, COCO, SUBMISSION, PSEUDO]
    name = config.format
    if name not in formats:
        raise ConfigError(f"format={name} must be one of {', '.join(formats)}{nearest(name, formats)}")
    with process_group() as group:
        group.first(lambda: [locate(source) for source in config.ckpt])  # one process downloads for all
        config = replace(config, ckpt=[locate(source) for source in config.ckpt])
        folder = Path(
            "runs", "predict", f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}"
        ).resolve()  # the W&B service may be elsewhere
        showcase = Showcase(folder) if group.is_first and config.logger["_target_"] else None
        if showcase is None:
            return _write(config, per_image, outliner, group, None)
        with on_dashboard("predict", plain(config), folder, config.ckpt) as numbers:
            written = _write(config, per_image, outliner, group, showcase)
            showcase.write()
            numbers["files"] = len(written)
        return written


def _write(
    config: Predict, per_image: dict[str, Format], outliner: Outliner, group: ProcessGroup, showcase: Showcase | None
) -> list[Path]:
    name = config.format
    if name == SUBMISSION:
        return _write_submission(config, group)
    if name == COCO:
        return _write_coco(config, outliner, group)
    if name == PSEUDO:
        return write_pseudo_labels(config) if group.is_first else []
    if not is_video(config.input):
        return _write_files(config, per_image[name], group, showcase)
    if is_address(config.input) and is_file(config.input):
        raise ConfigError(f"input={config.input} is a video in an object store: download it, or give its https address")
    if Path(config.output).suffix.lower() not in VIDEO_SUFFIXES:
        return _write_frames(config, per_image[name], group)
    return _write_video(config) if group.is_first else []


class _Done(NamedTuple):
    """What has become of a job: its mask's file, or the reason why there is none."""

    job: Job
    fault: str = ""
    is_turned: bool = False


def _write_files(config: Predict, format: Format, group: ProcessGroup, showcase: Showcase | None = None) -> list[Path]:
    output = Path(config.output)
    jobs = plan(source_of(config.input), output, format.suffix, config.inside, tell) if group.is_first else []
    predictor = build_predictor(config.ckpt, config, group)
    format.check(predictor.info.labels)
    left = group.first(lambda: take_up(jobs, output, _settings(config), config.overwrite))
    if group.is_first:
        _say_kept(len(jobs) - len(left), len(jobs), output)
    large = LargeImages(predictor, tell)

    def write(job: Job) -> _Done:
        try:
            image, is_turned = read_upright(job.image, predictor.preprocessing.bands, config.max_pixels)
            large.note(image, job.image)
            format.write(job.mask, predictor, image, job.image)
        except DataError as error:
            return _Done(job, str(error))
        if showcase is not None:
            showcase.add(predictor, image, job.mask.stem)
        return _Done(job, "", is_turned)

    done = list(_tracked(group, write, left))
    remarks = group.gather(format.remarks())
    if not group.is_first:
        return []
    written = [each.job for each in done if not each.fault]
    if turned := [each.job for each in done if each.is_turned]:
        what = counted(len(turned), "image")
        tell(f"EXIF tags turn {what}, e.g. {turned[0].image}: the masks have the size that people see")
    _say_written(len(written), config, remarks)
    if broken := [each.fault for each in done if each.fault]:
        raise DataError(f"{len(broken)} of {len(jobs)} images have no mask:\n" + "\n".join(broken))
    return [job.mask for job in written]


def _tracked(group: ProcessGroup, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the results of `ProcessGroup.map` under a bar that shows the progress of all processes."""
    results = group.map(work, items)
    return iter(track(results, description="predict", total=len(items), disable=not group.is_first))


def _write_frames(config: Predict, format: Format, group: ProcessGroup) -> list[Path]:
    """Write a file for each frame of a video, numbered from 1. Each process decodes all frames and labels some."""
    output = Path(config.output)
    video = Video(config.input, config.max_pixels)
    predictor = build_predictor(config.ckpt, config, group)
    format.check(predictor.info.labels)

    def take() -> set[Path]:
        jobs = plan_frames(video.path, output, format.suffix)
        left = take_up(jobs, output, _settings(config), config.overwrite)
        return {job.mask for job in jobs} - {job.mask for job in left}

    kept = group.first(take)
    if group.is_first:
        _say_kept(len(kept), video.promised, output)
    written, number = [], 0
    frames = track(video, description="predict", total=video.promised, disable=not group.is_first)
    for number, frame in enumerate(frames, start=1):
        mask = output / f"{number:06d}{format.suffix}"
        if group.owns(number - 1) and mask not in kept:
            format.write(mask, predictor, frame, video.path)
            written.append(mask)
    files, remarks = group.gather(written), group.gather(format.remarks())
    if not group.is_first:
        return []
    _say_decoded(number, video)
    every = sorted(file for some in files for file in some)
    _say_written(len(every), config, remarks)
    return every


def _say_written(count: int, config: Predict, remarks: Sequence[Counter[str]]) -> None:
    tell(f"{count} masks ({config.format}) in {config.output}")
    for remark, number in sum(remarks, Counter()).items():
        tell(f"{remark}: {number}")


def _write_video(config: Predict) -> list[Path]:
    output, name = Path(config.output), config.format
    if name not in ("color", "overlay"):
        raise ConfigError(
            f"format={name}: a video's compression would change ids: choose format=overlay, or a folder as output"
        )
    _check_free(config)
    video = Video(config.input, config.max_pixels)
    if not video.has_end:
        raise ConfigError(
            f"output={output}: a camera has no end, and a video needs one: choose a folder as output, which gets a "
            "file for each frame until Ctrl-C"
        )
    predictor = build_predictor(config.ckpt, config, ProcessGroup())
    count = 0

    def paint() -> Iterator[ByteArray]:
        nonlocal count
        for frame in track(video, description="predict", total=video.promised):
            count += 1
            yield PICTURES[name](predictor, frame)

    write_video(output, video.rate, paint())
    _say_decoded(count, video)
    tell(f"{count} frames ({name}) in {output}")
    return [output]


def _say_decoded(count: int, video: Video) -> None:
    for remark in video.remarks:
        tell(remark)
    if video.promised and count < video.promised:
        tell(f"{count} of the {video.promised} frames that {video.path} promises could be decoded")


def _write_submission(config: Predict, group: ProcessGroup) -> list[Path]:
    output = Path(config.output)
    if output.suffix != ".zip":
        raise OutputError(f"output={output}: a submission is one zip archive: set output=<name>.zip")
    _check_free(config)
    images = find_images(source_of(config.input), config.inside, group.tell)
    predictor = build_predictor(config.ckpt, config, group)
    labels = predictor.info.labels
    rules, large = rules_for(labels), LargeImages(predictor, tell)

    def label(entry: tuple[str, File]) -> tuple[str, ByteArray]:
        name, file = entry
        image = read_bands(file, predictor.preprocessing.bands, config.max_pixels)
        if rules.size not in (None, image.shape[:2]):
            height, width = rules.size
            raise DataError(
                f"{file} is {image.shape[1]} x {image.shape[0]}; {labels.name} needs masks of {width} x {height}"
            )
        large.note(image, file)
        return name, predictor.mask(image).cpu().numpy()

    masks = _tracked(group, label, list(images.items()))
    if not group.is_first:
        deque(masks, maxlen=0)
        return []
    count = write_submission(output, rules, masks)
    tell(f"{output}: {count} masks, whose names, sizes, modes and ids keep the rules of {labels.name}")
    if rules.splits and count not in rules.splits.values():
        wanted = ", ".join(f"{images} of {split}" for split, images in rules.splits.items())
        tell(f"note that the benchmark expects all images of a split: {wanted}")
    return [output]


def _write_coco(config: Predict, outliner: Outliner, group: ProcessGroup) -> list[Path]:
    output = Path(config.output)
    if output.suffix.lower() != ".json":
        raise OutputError(f"output={output}: COCO's format is one file for all images: set output=<name>.json")
    _check_free(config)
    images = find_images(source_of(config.input), config.inside, group.tell)
    predictor = build_predictor(config.ckpt, config, group)
    labels = predictor.info.labels
    outliner.check(labels)
    large = LargeImages(predictor, tell)

    def outline(entry: tuple[str, File]) -> tuple[str, Size, list[tuple[Label, Bitmap]]] | str:
        """Return the areas of an image, or the reason why it has none."""
        name, file = entry
        try:
            image = read_upright(file, predictor.preprocessing.bands, config.max_pixels)[0]
        except DataError as error:
            return str(error)
        large.note(image, file)
        mask = predictor.mask(image).cpu().numpy()
        return name, mask.shape, list(outliner.areas(labels, mask))

    writer, broken = CocoWriter(label for label in labels.classes if label.name not in outliner.leave_out), []
    for result in _tracked(group, outline, list(images.items())):
        if isinstance(result, str):
            broken.append(result)
        else:
            writer.add(*result)
    if not group.is_first:
        return []
    write_text(output, json.dumps(writer.content()))
    tell(f"{output}: the polygons of {len(images) - len(broken)} images")
    if broken:
        raise DataError(f"{len(broken)} of {len(images)} images have no polygons:\n" + "\n".join(broken))
    return [output]


def _check_free(config: Predict) -> None:
    output = config.output
    if Path(output).exists() and not config.overwrite:
        raise OutputError(f"{output} exists already: choose another output, or replace it with overwrite=true")


def _settings(config: Predict) -> dict[str, Any]:
    """Return all settings that masks depend on.

    Networks are identified by their weights, because a checkpoint may have been moved.
    """
    kept = {key: plain(config)[key] for key in ("inside", "format", "polygons", "scales", "flip", "windows")}
    weights = [digest_weights(path) for path in config.ckpt]
    return {"weights": weights, "input": _name_input(config.input), **kept}


def _name_input(text: str) -> str:
    """Return a name of the input that stays the same from another folder, without the password of a stream."""
    if not is_file(text):
        return text.rpartition("@")[2]
    source = source_of(text)
    return str(source.resolve() if isinstance(source, Path) else source)


def _say_kept(kept: int, jobs: int | None, output: Path) -> None:
    if kept:
        of = f" of {jobs}" if jobs else ""
        tell(f"{kept}{of} masks are already in {output} from an earlier start; overwrite=true writes them again")
