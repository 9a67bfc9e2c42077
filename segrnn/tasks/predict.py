"""Write masks: ``python -m segrnn.predict ckpt=... input=... output=...``."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.progress import track

from segrnn.atomic import write_text
from segrnn.config.parsing import plain
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Predict
from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.images import read_bands, read_upright
from segrnn.inference import (
    FORMATS,
    MAPS,
    PICTURES,
    VIDEO_SUFFIXES,
    Format,
    LargeImages,
    Video,
    digest_weights,
    find_images,
    locate,
    plan,
    plan_frames,
    polygon_formats,
    rules_for,
    take_up,
    write_submission,
    write_video,
)
from segrnn.labels.space import ByteArray
from segrnn.polygons import CocoWriter, Outliner
from segrnn.tasks.pseudo_labels import write_pseudo_labels
from segrnn.text import counted, nearest, tell

SUBMISSION, COCO, PSEUDO = "submission", "coco", "pseudo"


def predict(config: Predict, run_dir: Path) -> list[Path]:
    """Write masks or polygons: a file for each image or frame of a video, a video, or one file for all images.

    Images that can't be read are left out, and an error names them at the end. In an archive, no image may be missing.
    If an earlier start with the same settings was cut short, only the missing files are written.

    Args:
        config: the configuration of ``conf/predict.yaml``.
        run_dir: the run's folder. Nothing is written there.

    Returns:
        The files that were written.

    Raises:
        SegrnnError: the checkpoint, the configuration, the output or an image is at fault.
    """
    config = replace(config, ckpt=[locate(source) for source in config.ckpt])
    outliner = Outliner(config.polygons.tolerance, config.polygons.leave_out)
    per_image = {**FORMATS, **MAPS, **polygon_formats(outliner)}
    formats = [*per_image, COCO, SUBMISSION, PSEUDO]
    name, source = config.format, Path(config.input)
    if name not in formats:
        raise ConfigError(f"format={name} must be one of {', '.join(formats)}{nearest(name, formats)}")
    if name == SUBMISSION:
        return _write_submission(config)
    if name == COCO:
        return _write_coco(config, outliner)
    if name == PSEUDO:
        return write_pseudo_labels(config)
    if source.suffix.lower() not in VIDEO_SUFFIXES:
        return _write_files(config, per_image[name])
    is_video = Path(config.output).suffix.lower() in VIDEO_SUFFIXES
    return _write_video(config) if is_video else _write_frames(config, per_image[name])


def _write_files(config: Predict, format: Format) -> list[Path]:
    output = Path(config.output)
    jobs = plan(Path(config.input), output, format.suffix, config.inside, tell)
    predictor = build_predictor(config.ckpt, config)
    format.check(predictor.info.labels)
    left = take_up(jobs, output, _settings(config), config.overwrite)
    _say_kept(len(jobs) - len(left), len(jobs), output)
    written, broken, turned, large = [], [], [], LargeImages(predictor, tell)
    for job in track(left, description="predict"):
        try:
            image, is_turned = read_upright(job.image, predictor.preprocessing.bands, config.max_pixels)
            large.note(image, job.image)
            format.write(job.mask, predictor, image, job.image)
        except DataError as error:
            broken.append(str(error))
            continue
        turned += [job.image] if is_turned else []
        written.append(job.mask)
    if turned:
        what = counted(len(turned), "image")
        tell(f"EXIF tags turn {what}, e.g. {turned[0]}: the masks have the size that people see")
    _say_written(len(written), config, format)
    if broken:
        raise DataError(f"{len(broken)} of {len(jobs)} images have no mask:\n" + "\n".join(broken))
    return written


def _write_frames(config: Predict, format: Format) -> list[Path]:
    """Write a file for each frame of a video, numbered from 1."""
    output = Path(config.output)
    video = Video(Path(config.input), config.max_pixels)
    predictor = build_predictor(config.ckpt, config)
    format.check(predictor.info.labels)
    jobs = plan_frames(video.path, output, format.suffix)
    left = take_up(jobs, output, _settings(config), config.overwrite)
    kept = {job.mask for job in jobs} - {job.mask for job in left}
    _say_kept(len(kept), video.promised, output)
    written, number = [], 0
    for number, frame in enumerate(track(video, description="predict", total=video.promised), start=1):
        mask = output / f"{number:06d}{format.suffix}"
        if mask not in kept:
            format.write(mask, predictor, frame, video.path)
            written.append(mask)
    _say_decoded(number, video)
    _say_written(len(written), config, format)
    return written


def _say_written(count: int, config: Predict, format: Format) -> None:
    tell(f"{count} masks ({config.format}) in {config.output}")
    for remark in format.remarks():
        tell(remark)


def _write_video(config: Predict) -> list[Path]:
    output, name = Path(config.output), config.format
    if name not in ("color", "overlay"):
        raise ConfigError(
            f"format={name}: a video's compression would change ids: choose format=overlay, or a folder as output"
        )
    _check_free(config)
    video = Video(Path(config.input), config.max_pixels)
    predictor = build_predictor(config.ckpt, config)
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


def _write_submission(config: Predict) -> list[Path]:
    output = Path(config.output)
    if output.suffix != ".zip":
        raise OutputError(f"output={output}: a submission is one zip archive: set output=<name>.zip")
    _check_free(config)
    images = find_images(Path(config.input), config.inside, tell)
    predictor = build_predictor(config.ckpt, config)
    labels = predictor.info.labels
    rules, large = rules_for(labels), LargeImages(predictor, tell)

    def masks() -> Iterator[tuple[str, ByteArray]]:
        for name, file in track(images.items(), description="predict"):
            image = read_bands(file, predictor.preprocessing.bands, config.max_pixels)
            if rules.size not in (None, image.shape[:2]):
                height, width = rules.size
                raise DataError(
                    f"{file} is {image.shape[1]} x {image.shape[0]}; {labels.name} needs masks of {width} x {height}"
                )
            large.note(image, file)
            yield name, predictor.mask(image).cpu().numpy()

    count = write_submission(output, rules, masks())
    tell(f"{output}: {count} masks, whose names, sizes, modes and ids keep the rules of {labels.name}")
    if rules.splits and count not in rules.splits.values():
        wanted = ", ".join(f"{images} of {split}" for split, images in rules.splits.items())
        tell(f"note that the benchmark expects all images of a split: {wanted}")
    return [output]


def _write_coco(config: Predict, outliner: Outliner) -> list[Path]:
    output = Path(config.output)
    if output.suffix.lower() != ".json":
        raise OutputError(f"output={output}: COCO's format is one file for all images: set output=<name>.json")
    _check_free(config)
    images = find_images(Path(config.input), config.inside, tell)
    predictor = build_predictor(config.ckpt, config)
    labels = predictor.info.labels
    outliner.check(labels)
    writer = CocoWriter(label for label in labels.classes if label.name not in outliner.leave_out)
    large, broken = LargeImages(predictor, tell), []
    for name, file in track(images.items(), description="predict"):
        try:
            image = read_upright(file, predictor.preprocessing.bands, config.max_pixels)[0]
        except DataError as error:
            broken.append(str(error))
            continue
        large.note(image, file)
        mask = predictor.mask(image).cpu().numpy()
        writer.add(name, mask.shape, outliner.areas(labels, mask))
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
    return {"weights": weights, "input": str(Path(config.input).resolve()), **kept}


def _say_kept(kept: int, jobs: int | None, output: Path) -> None:
    if kept:
        of = f" of {jobs}" if jobs else ""
        tell(f"{kept}{of} masks are already in {output} from an earlier start; overwrite=true writes them again")
