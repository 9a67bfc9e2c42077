"""Which images a folder holds, and where their masks go."""

from pathlib import Path
from typing import NamedTuple

from segrnn.datasets.files import IMAGE_SUFFIXES
from segrnn.errors import DataError, OutputError


class Job(NamedTuple):
    """An image and the mask file that is to be written for it."""

    image: Path
    mask: Path


def plan(source: Path, output: Path, overwrite: bool) -> list[Job]:
    """Pair every image of a file or folder with a PNG of the same stem, in the same subfolder of `output`.

    Args:
        source: an image, or a folder that is searched with its subfolders; hidden files are passed over.
        output: the folder for the masks.
        overwrite: whether masks that exist may be replaced.

    Raises:
        DataError: there is no image.
        OutputError: two images want the same mask, an image would be overwritten, or a mask exists already.
    """
    if not source.exists():
        raise DataError(f"input={source} does not exist")
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise OutputError(f"output={output} lies inside input={source}: the next run would take masks for images")
    images = _search(source) if source.is_dir() else [source]
    if not images:
        raise DataError(f"input={source} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    root = source if source.is_dir() else source.parent
    jobs = [Job(image, output / image.relative_to(root).with_suffix(".png")) for image in images]

    owners: dict[Path, Path] = {}
    for image, mask in jobs:
        if mask.resolve() == image.resolve():
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


def _search(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
