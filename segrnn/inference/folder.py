"""Which images a folder or an archive holds, and where their masks go."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segrnn.datasets.files import IMAGE_SUFFIXES
from segrnn.datasets.storage import File, Tree
from segrnn.errors import DataError, OutputError


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


def plan(source: Path, output: Path, overwrite: bool, inside: str = "") -> list[Job]:
    """Pair every image of a file, folder or archive with a PNG of the same stem, in the same subfolder of `output`.

    Args:
        source: an image, a folder that is searched with its subfolders, or a zip archive.
        output: the folder for the masks.
        overwrite: whether masks that exist may be replaced.
        inside: the folder of a folder or archive that is searched.

    Raises:
        DataError: there is no image.
        OutputError: two images want the same mask, an image would be overwritten, or a mask exists already.
    """
    images = find_images(source, inside)
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"output={output} lies inside input={source}: the next run would take masks for images")
    jobs = [Job(image, (output / name).with_suffix(".png")) for name, image in images.items()]

    owners: dict[Path, File] = {}
    for image, mask in jobs:
        if isinstance(image, Path) and mask.resolve() == image.resolve():
            raise OutputError(f"the mask of {image} would replace the image itself: choose another output")
        if (other := owners.setdefault(mask, image)) != image:
            raise OutputError(f"{other} and {image} would both be written to {mask}: rename one of them")
    existing = [mask for _, mask in jobs if mask.exists()]
    if existing and not overwrite:
        raise OutputError(
            f"{len(existing)} of {len(jobs)} masks exist already, e.g. {existing[0]}: "
            "choose another output, or replace them with overwrite=true"
        )
    return jobs
