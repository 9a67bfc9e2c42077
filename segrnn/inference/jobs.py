"""The images in a folder or an archive, the files for their masks, and the masks that are still missing."""

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from segrnn.errors import DataError, OutputError
from segrnn.images.object_store import Remote
from segrnn.images.passed_over import describe_passed_over
from segrnn.images.reading import picture_suffixes
from segrnn.images.storage import File, Tree
from segrnn.inference.picture_lists import SUFFIX, read_list
from segrnn.outputs import Archives, Output

Say = Callable[[str], None]
"""A function that takes a line of text for people to read."""


def _say_nothing(line: str) -> None:
    pass


class Job(NamedTuple):
    """An image and the mask that is to be written for it."""

    image: File
    """The image's file."""
    mask: PurePosixPath
    """The path of the mask's file in the output."""


_RECORD = PurePosixPath("predict.json")
"""The file in an output that has the settings of the masks beside it."""


def find_images(source: Path | Remote, inside: str = "", say: Say = _say_nothing) -> dict[str, File]:
    """Return the images of a file, a folder with its subfolders, or a zip archive, by their paths relative to it.

    Links to folders are followed. Zip archives inside a folder are not opened. A Parquet file lists images that may be
    anywhere, see `read_list`.

    Args:
        source: an image, a folder, a zip archive or a list, on this machine or elsewhere. Hidden files are passed over.
        inside: the subfolder of `source` to search. By default, all of `source` is searched.
        say: gets a line for each kind of file that is passed over.

    Raises:
        DataError: there is no image, or a folder can't be read.
    """
    if source.suffix.lower() == SUFFIX:
        return read_list(source)
    if one := _single(source):
        return {one.name: one}
    try:
        listing = Tree(source, archives=False).listing(inside)
    except OSError as error:
        raise DataError(f"input={source} can't be read: {error}") from error
    suffixes = picture_suffixes()
    images = {name: file for name, file in listing.files.items() if file.suffix.lower() in suffixes}
    remarks = describe_passed_over(listing, images)
    if not images:
        where = f"input={source}" + (f", inside={inside}," if inside else "")
        found = "".join(f"; {line}" for line in remarks)
        raise DataError(f"{where} holds no image that segrnn reads ({', '.join(sorted(suffixes))}){found}")
    for line in remarks:
        say(f"{source}: {line}")
    return images


def _single(source: Path | Remote) -> File | None:
    """Return the file if the source is one picture, and not a folder or an archive.

    Raises:
        DataError: it does not exist.
    """
    if isinstance(source, Path):
        if not source.exists():
            raise DataError(f"input={source} does not exist")
        return None if source.is_dir() or zipfile.is_zipfile(source) else source
    if source.suffix.lower() not in picture_suffixes():
        return None
    try:
        return source.look_up()
    except FileNotFoundError:
        raise DataError(f"input={source} does not exist") from None


def plan(source: Path | Remote, output: Output, suffix: str, inside: str = "", say: Say = _say_nothing) -> list[Job]:
    """Pair each image of a file, folder or archive with a mask of the same stem, in the same subfolder of the output.

    Args:
        source: an image, a folder that is searched with its subfolders, or a zip archive, on this machine or elsewhere.
        output: the folder for the masks.
        suffix: the suffix of the masks' files.
        inside: the subfolder of `source` to search. By default, all of `source` is searched.
        say: gets a line for each kind of file that is passed over.

    Raises:
        DataError: there is no image.
        OutputError: two images have the same mask file, an image would be overwritten, a link leads out of `output`,
            or `output` lies inside `source`.
    """
    images = find_images(source, inside, say)
    if output.lies_in(source):
        raise OutputError(
            f"output={output} lies inside input={source}: the next run would read the masks as images. Choose a folder "
            "outside of it"
        )
    jobs = [Job(image, PurePosixPath(name).with_suffix(suffix)) for name, image in images.items()]
    output.check_links([job.mask for job in jobs])
    owners: dict[PurePosixPath, File] = {}
    for image, mask in jobs:
        place = output.at(mask)
        if _resolved(place) == _resolved(image):
            raise OutputError(f"the mask of {image} would replace the image itself: choose another output")
        if (other := owners.setdefault(mask, image)) != image:
            raise OutputError(f"{other} and {image} would both be written to {place}: rename one of them")
    return jobs


def _resolved(file: File) -> File:
    return file.resolve() if isinstance(file, Path) else file


def plan_frames(video: Path, output: Output, suffix: str) -> list[Job]:
    """Return the frames of a video that have a mask already, the frame after each of them, and the first frame.

    The number of frames is only known at the end of the video. The first frame without a mask may have been begun.

    Args:
        video: the file.
        output: the folder for the masks. Their names are numbers of six digits or more.
        suffix: the suffix of the masks' files.
    """
    numbers = {int(name.stem) for name in output.directly(suffix) if re.fullmatch(r"[0-9]{6,18}", name.stem)}
    frames = sorted({1} | numbers | {number + 1 for number in numbers})
    return [Job(video, PurePosixPath(f"{number:06d}{suffix}")) for number in frames]


def take_up(
    jobs: list[Job], output: Output, settings: Mapping[str, Any], overwrite: bool, archives: Archives | None = None
) -> list[Job]:
    """Return the jobs that an earlier run with the same settings has not done.

    ``predict.json`` in the output records the settings of the masks beside it. It is there before the first mask, so
    that a command with other settings which starts meanwhile is refused, too.

    Args:
        jobs: all jobs, as `plan` makes them.
        output: the folder for the masks.
        settings: everything that the masks depend on, as primitives.
        overwrite: whether to start again from the beginning and replace the masks that exist.
        archives: the archives in the output that hold the masks. By default, each mask is a file of its own.

    Raises:
        OutputError: a command with other settings has written there, and `overwrite` is false; or the output can't be
            written.
    """
    names = [job.mask for job in jobs]
    masks = archives or output
    existing, former = masks.existing(names), _read(output)
    if overwrite:
        masks.remove(existing)  # before the first new mask: an interrupted run must not leave old masks among new ones
        existing = set()
    elif existing and former != settings:
        raise OutputError(
            f"{len(existing)} of {len(jobs)} masks exist already and were made with other settings, e.g. "
            f"{output.at(min(existing))}: choose another output, or replace them with overwrite=true"
        )
    elif former not in (None, settings):
        raise OutputError(
            f"{output.at(_RECORD)} has the settings of another command, which may be running: choose another output, "
            "or write there with overwrite=true"
        )
    output.remove_drafts(names)
    output.write_text(_RECORD, json.dumps(settings, indent=2) + "\n")
    return [job for job in jobs if job.mask not in existing]


def _read(output: Output) -> Any:
    """Return the settings in the record of an output, or None if it is missing or damaged."""
    try:
        return json.loads(output.read_text(_RECORD) or "")
    except ValueError:
        return None
