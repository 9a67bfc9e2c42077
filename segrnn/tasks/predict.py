"""Write masks: ``python -m segrnn.predict ckpt=... input=... output=...``."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path, PurePath, PurePosixPath

from rich.progress import track

from segrnn.config.parsing import plain
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Predict
from segrnn.errors import ConfigError, DataError, OutputError
from segrnn.images import read_bands, read_upright
from segrnn.images.object_store import is_address
from segrnn.images.storage import File, source_of
from segrnn.inference import (
    PICTURES,
    VIDEO_SUFFIXES,
    Format,
    Notices,
    Predictor,
    Video,
    find_images,
    is_file,
    is_video,
    locate,
    plan,
    plan_frames,
    rules_for,
    take_up,
    write_submission,
    write_video,
)
from segrnn.instantiate import instantiate
from segrnn.labels import Label
from segrnn.labels.space import ByteArray
from segrnn.outputs import Output, file_at, output_at
from segrnn.polygons import CocoWriter
from segrnn.polygons.rle import Size
from segrnn.polygons.shapes import Bitmap
from segrnn.process_group import Item, ProcessGroup, Result, process_group
from segrnn.processes import world_size
from segrnn.tasks.bulk import write_in_bulk
from segrnn.tasks.dashboards import on_dashboard
from segrnn.tasks.mask_files import (
    MaskWriter,
    archives_of,
    filling,
    formats_of,
    outliner_of,
    put_away,
    say_kept,
    say_written,
    settings_of,
    sum_up,
)
from segrnn.tasks.pseudo_labels import write_pseudo_labels
from segrnn.tasks.showcase import Showcase
from segrnn.text import nearest, tell

SUBMISSION, COCO, PSEUDO = "submission", "coco", "pseudo"


def predict(config: Predict, run_dir: Path) -> list[PurePath]:
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
        The paths in the output of the files that were written, in the first process.

    Raises:
        SegrnnError: the checkpoint, the configuration, the output or an image is at fault.
    """
    per_image = formats_of(config)
    formats = [*per_image, COCO, SUBMISSION, PSEUDO]
    name = config.format
    if name not in formats:
        raise ConfigError(f"format={name} must be one of {', '.join(formats)}{nearest(name, formats)}")
    if name == PSEUDO and "://" in config.output:
        raise ConfigError(
            f"format=pseudo makes a folder of this machine to train on, and output={config.output} is an address: give "
            "a path, and copy the folder afterwards"
        )
    if config.archive_size and (name not in per_image or is_video(config.input)):
        raise ConfigError(
            f"archive_size={config.archive_size} is for formats with a file for each image of a folder: leave it out"
        )
    output_at(config.output)  # refuses an address where nothing can be written
    if config.engine["_target_"] is not None:
        _check_bulk(config, name in per_image)
        engine = instantiate(config.engine, "engine", ("segrnn.tasks.ray_actors.",))
        return write_in_bulk(config, engine)
    with process_group() as group:
        group.first(lambda: [locate(source) for source in config.ckpt])  # one process downloads for all
        config = replace(config, ckpt=[locate(source) for source in config.ckpt])
        # absolute, because the W&B service may have begun in another folder
        folder = Path("runs", "predict", f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}").resolve()
        showcase = Showcase(folder) if group.is_first and config.logger["_target_"] else None
        if showcase is None:
            return _write(config, per_image, group, None)
        with on_dashboard("predict", plain(config), folder, config.ckpt) as numbers:
            written = _write(config, per_image, group, showcase)
            showcase.write()
            numbers["files"] = len(written)
        return written


def _write(
    config: Predict, per_image: dict[str, Format], group: ProcessGroup, showcase: Showcase | None
) -> list[PurePath]:
    name = config.format
    if name == SUBMISSION:
        return _write_submission(config, group)
    if name == COCO:
        return _write_coco(config, group)
    if name == PSEUDO:
        return write_pseudo_labels(config) if group.is_first else []
    if not is_video(config.input):
        return _write_files(config, per_image[name], group, showcase)
    if is_address(config.input) and is_file(config.input):
        raise ConfigError(f"input={config.input} is a video in an object store: download it, or give its https address")
    if Path(config.output).suffix.lower() not in VIDEO_SUFFIXES:
        return _write_frames(config, per_image[name], group)
    return _write_video(config) if group.is_first else []


def _write_files(config: Predict, format: Format, group: ProcessGroup, showcase: Showcase | None) -> list[PurePath]:
    output = output_at(config.output)
    jobs = plan(source_of(config.input), output, format.suffix, config.inside, tell) if group.is_first else []
    predictor = build_predictor(config.ckpt, config, group)
    format.check(predictor.info.labels)
    archives = archives_of(config, output)
    left = group.first(lambda: take_up(jobs, output, settings_of(config), config.overwrite, archives))
    if group.is_first:
        say_kept(len(jobs) - len(left), len(jobs), config)
    write = MaskWriter(predictor, format, None if archives else output, config.max_pixels, tell, showcase)
    with filling(archives if group.is_first else None):
        done = [put_away(each, archives) for each in _tracked(group, write, left)]
    remarks = group.gather(format.remarks())
    return sum_up(done, len(jobs), config, sum(remarks, Counter())) if group.is_first else []


def _tracked(group: ProcessGroup, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the results of `ProcessGroup.map` under a bar that shows the progress of all processes."""
    results = group.map(work, items)
    return iter(track(results, description="predict", total=len(items), disable=not group.is_first))


def _write_frames(config: Predict, format: Format, group: ProcessGroup) -> list[PurePath]:
    """Write a file for each frame of a video, numbered from 1. Each process decodes all frames and labels some."""
    output = output_at(config.output)
    video = Video(config.input, config.max_pixels)
    predictor = build_predictor(config.ckpt, config, group)
    format.check(predictor.info.labels)

    def take() -> set[PurePosixPath]:
        jobs = plan_frames(video.path, output, format.suffix)
        left = take_up(jobs, output, settings_of(config), config.overwrite)
        return {job.mask for job in jobs} - {job.mask for job in left}

    kept = group.first(take)
    if group.is_first:
        say_kept(len(kept), video.promised, config)
    written: list[PurePosixPath] = []
    number = 0
    frames = track(video, description="predict", total=video.promised, disable=not group.is_first)
    for number, frame in enumerate(frames, start=1):
        mask = PurePosixPath(f"{number:06d}{format.suffix}")
        if group.owns(number - 1) and mask not in kept:
            output.write(mask, partial(_write_frame, format, predictor, frame, video))
            written.append(mask)
    files, remarks = group.gather(written), group.gather(format.remarks())
    if not group.is_first:
        return []
    _say_decoded(number, video)
    every = sorted(file for some in files for file in some)
    say_written(len(every), config, sum(remarks, Counter()))
    return [*every]


def _write_frame(format: Format, predictor: Predictor, frame: ByteArray, video: Video, path: Path) -> None:
    format.write(path, predictor, frame, video.path)


def _write_video(config: Predict) -> list[PurePath]:
    name = config.format
    if name not in ("color", "overlay"):
        raise ConfigError(
            f"format={name}: a video's compression would change ids: choose format=overlay, or a folder as output"
        )
    output, file = _free_file(config)
    video = Video(config.input, config.max_pixels)
    if not video.has_end:
        raise ConfigError(
            f"output={config.output}: a camera has no end, and a video needs one: choose a folder as output, which "
            "gets a file for each frame until Ctrl-C"
        )
    predictor = build_predictor(config.ckpt, config, ProcessGroup())
    count = 0

    def paint() -> Iterator[ByteArray]:
        nonlocal count
        for frame in track(video, description="predict", total=video.promised):
            count += 1
            yield PICTURES[name](predictor, frame)

    output.write(file, lambda path: write_video(path, video.rate, paint()))
    _say_decoded(count, video)
    tell(f"{count} frames ({name}) in {config.output}")
    return [file]


def _say_decoded(count: int, video: Video) -> None:
    for remark in video.remarks:
        tell(remark)
    if video.promised and count < video.promised:
        tell(f"{count} of the {video.promised} frames that {video.path} promises could be decoded")


def _write_submission(config: Predict, group: ProcessGroup) -> list[PurePath]:
    if PurePosixPath(config.output).suffix != ".zip":
        raise OutputError(f"output={config.output}: a submission is one zip archive: set output=<name>.zip")
    output, file = _free_file(config)
    images = find_images(source_of(config.input), config.inside, group.tell)
    predictor = build_predictor(config.ckpt, config, group)
    labels = predictor.info.labels
    rules, notices = rules_for(labels), Notices(predictor, tell)

    def label(entry: tuple[str, File]) -> tuple[str, ByteArray]:
        name, file = entry
        image = read_bands(file, predictor.preprocessing.bands, config.max_pixels)
        if rules.size not in (None, image.shape[:2]):
            height, width = rules.size
            raise DataError(
                f"{file} is {image.shape[1]} x {image.shape[0]}; {labels.name} needs masks of {width} x {height}"
            )
        notices.note(image, file)
        return name, predictor.mask(image).cpu().numpy()

    masks = _tracked(group, label, list(images.items()))
    if not group.is_first:
        deque(masks, maxlen=0)
        return []
    count = 0

    def write(path: Path) -> None:
        nonlocal count
        count = write_submission(path, rules, masks)

    output.write(file, write)
    tell(f"{config.output}: {count} masks, whose names, sizes, modes and ids keep the rules of {labels.name}")
    if rules.splits and count not in rules.splits.values():
        wanted = ", ".join(f"{images} of {split}" for split, images in rules.splits.items())
        tell(f"note that the benchmark expects all images of a split: {wanted}")
    return [file]


def _write_coco(config: Predict, group: ProcessGroup) -> list[PurePath]:
    if PurePosixPath(config.output).suffix.lower() != ".json":
        raise OutputError(f"output={config.output}: COCO's format is one file for all images: set output=<name>.json")
    output, file = _free_file(config)
    images = find_images(source_of(config.input), config.inside, group.tell)
    predictor = build_predictor(config.ckpt, config, group)
    labels, outliner = predictor.info.labels, outliner_of(config)
    outliner.check(labels)
    notices = Notices(predictor, tell)

    def outline(entry: tuple[str, File]) -> tuple[str, Size, list[tuple[Label, Bitmap]]] | str:
        """Return the areas of an image, or the reason why it has none."""
        name, file = entry
        try:
            image = read_upright(file, predictor.preprocessing.bands, config.max_pixels)[0]
        except DataError as error:
            return str(error)
        notices.note(image, file)
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
    output.write_text(file, json.dumps(writer.content()))
    tell(f"{config.output}: the polygons of {len(images) - len(broken)} images")
    if broken:
        raise DataError(f"{len(broken)} of {len(images)} images have no polygons:\n" + "\n".join(broken))
    return [file]


def _check_bulk(config: Predict, is_per_image: bool) -> None:
    """Refuse what only the processes of this command can do."""
    if not is_per_image:
        raise ConfigError(
            f"engine=ray writes a file for each image, and format={config.format} is another kind: leave out engine=ray"
        )
    if is_video(config.input):
        raise ConfigError(f"engine=ray needs images, and input={config.input} is a video: leave out engine=ray")
    if config.logger["_target_"] is not None:
        raise ConfigError("engine=ray keeps no images for a dashboard: leave out logger= or engine=ray")
    if world_size() > 1:
        raise ConfigError(
            f"{world_size()} processes were started, but with engine=ray one process hands out the images: start the "
            "command alone; engine.actors=<number> chooses how many processes of Ray label images"
        )


def _free_file(config: Predict) -> tuple[Output, PurePosixPath]:
    """Return where the one file of a format lies.

    Raises:
        OutputError: it exists, and may not be replaced.
    """
    output, file = file_at(config.output)
    if not config.overwrite and output.holds(file):
        raise OutputError(f"{config.output} exists already: choose another output, or replace it with overwrite=true")
    return output, file
