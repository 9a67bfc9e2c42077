"""Which images a folder or an archive holds, where their masks go, and which are left to do."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from segrnn.datasets.files import IMAGE_SUFFIXES
from segrnn.datasets.storage import File, Tree
from segrnn.errors import DataError, OutputError
from segrnn.inference.files import PARTIAL, write_atomically


class Job(NamedTuple):
    """An image and the mask file that is to be written for it."""

    image: File
    mask: Path


def find_images(source: Path, inside: str = "") -> dict[str, File]:
    """The images of a file, a folder with its subfolders, or a zip archive, by their paths from there.

    Args:
        source: an image, a folder, or a zip archive; hidden files are passed over.
        inside: the folder of a folder or archive that is searched; all of it by default.

    Raises:
        DataError: there is no image.
    """
    if not source.exists():
        raise DataError(f"input={source} does not exist")
    if source.is_dir():
        base = source / inside
        files: dict[str, File] = {path.relative_to(base).as_posix(): path for path in base.rglob("*") if path.is_file()}
        files = {name: file for name, file in files.items() if not PurePosixPath(name).name.startswith(".")}
    elif zipfile.is_zipfile(source):
        files = Tree(source).files(inside)
    else:
        return {source.name: source}
    images = {name: files[name] for name in sorted(files) if files[name].suffix.lower() in IMAGE_SUFFIXES}
    if not images:
        where = f"input={source}" + (f", inside={inside}," if inside else "")
        raise DataError(f"{where} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    return images


def plan(source: Path, output: Path, suffix: str, inside: str = "") -> list[Job]:
    """Pair every image of a file, folder or archive with a file of the same stem, in the same subfolder of `output`.

    Args:
        source: an image, a folder that is searched with its subfolders, or a zip archive.
        output: the folder for the masks.
        suffix: of the masks.
        inside: the folder of a folder or archive that is searched.

    Raises:
        DataError: there is no image.
        OutputError: two images want the same mask, or an image would be overwritten.
    """
    images = find_images(source, inside)
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"output={output} lies inside input={source}: the next run would take masks for images")
    jobs = [Job(image, (output / name).with_suffix(suffix)) for name, image in images.items()]

    owners: dict[Path, File] = {}
    for image, mask in jobs:
        if isinstance(image, Path) and mask.resolve() == image.resolve():
            raise OutputError(f"the mask of {image} would replace the image itself: choose another output")
        if (other := owners.setdefault(mask, image)) != image:
            raise OutputError(f"{other} and {image} would both be written to {mask}: rename one of them")
    return jobs


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
    drafts = {(job.mask.parent, job.mask.stem) for job in jobs}
    for folder in {folder for folder, _ in drafts}:
        for left_over in folder.glob(f".*-*{PARTIAL}"):
            if (folder, left_over.name[1:].rpartition("-")[0]) in drafts:  # as `write_atomically` names them
                left_over.unlink()
    write_atomically(record, lambda path: path.write_text(json.dumps(settings, indent=2) + "\n"))
    return [job for job in jobs if job.mask not in existing]


def _read(record: Path) -> Any:
    """The settings in a record; None where there is none, or a damaged one."""
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return None
