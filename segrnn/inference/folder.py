"""Which images a folder or an archive holds, where their masks go, and which are left to do."""

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from segrnn.atomic import PARTIAL, draft_name, write_text
from segrnn.datasets.passed_over import describe_passed_over
from segrnn.datasets.pictures import picture_suffixes
from segrnn.datasets.storage import File, Tree
from segrnn.errors import DataError, OutputError

Say = Callable[[str], None]
"""What gets lines for people."""


def _say_nothing(line: str) -> None:
    pass


class Job(NamedTuple):
    """An image and the mask file that is to be written for it."""

    image: File
    mask: Path


def find_images(source: Path, inside: str = "", say: Say = _say_nothing) -> dict[str, File]:
    """Return the images of a file, a folder with its subfolders, or a zip archive, by their paths from there.

    Links to folders are followed; zip archives that lie in a folder are not opened.

    Args:
        source: an image, a folder, or a zip archive; hidden files are passed over.
        inside: the folder of a folder or archive that is searched; all of it by default.
        say: gets a line for each kind of file that is passed over.

    Raises:
        DataError: there is no image, or a folder can't be read.
    """
    if not source.exists():
        raise DataError(f"input={source} does not exist")
    if not source.is_dir() and not zipfile.is_zipfile(source):
        return {source.name: source}
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
        raise DataError(f"{where} holds no image that is read ({', '.join(sorted(suffixes))}){found}")
    for line in remarks:
        say(f"{source}: {line}")
    return images


def plan(source: Path, output: Path, suffix: str, inside: str = "", say: Say = _say_nothing) -> list[Job]:
    """Pair every image of a file, folder or archive with a file of the same stem, in the same subfolder of `output`.

    Args:
        source: an image, a folder that is searched with its subfolders, or a zip archive.
        output: the folder for the masks.
        suffix: of the masks.
        inside: the folder of a folder or archive that is searched.
        say: gets a line for each kind of file that is passed over.

    Raises:
        DataError: there is no image.
        OutputError: two images want the same mask, an image would be overwritten, or a link leads out of `output`.
    """
    images = find_images(source, inside, say)
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"output={output} lies inside input={source}: the next run would take masks for images")
    jobs = [Job(image, (output / name).with_suffix(suffix)) for name, image in images.items()]
    for folder in sorted({job.mask.parent for job in jobs}):
        if not (place := folder.resolve()).is_relative_to(output.resolve()):
            raise OutputError(
                f"{folder} leads to {place}, out of output={output}: remove the link, or choose another output"
            )

    owners: dict[Path, File] = {}
    for image, mask in jobs:
        if isinstance(image, Path) and mask.resolve() == image.resolve():
            raise OutputError(f"the mask of {image} would replace the image itself: choose another output")
        if (other := owners.setdefault(mask, image)) != image:
            raise OutputError(f"{other} and {image} would both be written to {mask}: rename one of them")
    return jobs


def plan_frames(video: Path, output: Path, suffix: str) -> list[Job]:
    """Return the frames of a video that have a mask already, and the one that follows each of them.

    How many frames there are is only known at the end; the first one that is missing may have been begun.

    Args:
        video: the file.
        output: the folder for the masks, whose names are numbers of six digits or more.
        suffix: of the masks.
    """
    numbers = {int(path.stem) for path in output.glob(f"*{suffix}") if re.fullmatch(r"[0-9]{6,18}", path.stem)}
    frames = sorted({1} | numbers | {number + 1 for number in numbers})
    return [Job(video, output / f"{number:06d}{suffix}") for number in frames]


def take_up(jobs: list[Job], output: Path, settings: Mapping[str, Any], overwrite: bool) -> list[Job]:
    """The jobs that are left to do, if an earlier start with the same settings has done some.

    ``predict.json`` in the output tells which settings the masks beside it were made with.

    Args:
        jobs: as `plan` makes them.
        output: the folder for the masks.
        settings: all that the masks depend on, as primitives.
        overwrite: whether to begin anew, and replace the masks that exist.

    Raises:
        OutputError: masks exist that were made with other settings, and `overwrite` is false.
    """
    record = output / "predict.json"
    existing = {job.mask for job in jobs if job.mask.exists()}
    if overwrite:
        for mask in existing:  # at once: a start that is cut short must not leave old masks among the new ones
            mask.unlink()
        existing = set()
    elif existing and _read(record) != settings:
        raise OutputError(
            f"{len(existing)} of {len(jobs)} masks exist already, e.g. {min(existing)}, made with other settings: "
            "choose another output, or replace them with overwrite=true"
        )
    drafts = {(job.mask.parent, draft_name(job.mask)) for job in jobs}
    for folder in {folder for folder, _ in drafts}:
        for left_over in folder.glob(f".*-*{PARTIAL}"):
            if (folder, left_over.name[1:].rpartition("-")[0]) in drafts:  # as `write_atomically` names them
                left_over.unlink()
    write_text(record, json.dumps(settings, indent=2) + "\n")
    return [job for job in jobs if job.mask not in existing]


def _read(record: Path) -> Any:
    """The settings in a record; None where there is none, or a damaged one."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
