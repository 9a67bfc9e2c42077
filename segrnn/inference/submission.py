"""Archives of masks for the benchmarks' servers. An archive is checked before it gets its name."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from segrnn.atomic import write_atomically
from segrnn.errors import DataError, OutputError
from segrnn.labels import ADE20K, CITYSCAPES, LabelSpace
from segrnn.labels.space import ByteArray
from segrnn.paths import safe_path

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Rules:
    """The rules of an evaluation server, which takes one PNG of label ids for each image.

    Args:
        labels: the label table. A mask may only hold the ids of its classes.
        size: height and width of every mask. None means that each mask has the size of its image.
        images: a regular expression for the beginning of an image's stem. Its group is the part that the mask's name
            repeats.
        ending: the text after that part in the name of a mask.
        splits: the number of images in each split of the benchmark, by the split's name.
    """

    labels: LabelSpace
    size: Size | None = None
    images: str = "(.+)"
    ending: str = ""
    splits: Mapping[str, int] | None = None

    def name(self, image: str) -> str:
        """Return the name of an image's mask.

        Args:
            image: the image's path, relative to the folder of the images.

        Raises:
            DataError: the image is not named as the benchmark's images are.
        """
        path = safe_path(image)
        match = re.match(self.images, path.stem)
        if match is None:
            raise DataError(
                f"{image} does not have the name of an image of {self.labels.name}; such names match {self.images}"
            )
        # servers expect one flat folder; without a server, masks keep the folders of their images
        folder = PurePosixPath() if self.splits else path.parent
        return (folder / f"{match[1]}{self.ending}.png").as_posix()


CITYSCAPES_RULES = Rules(
    CITYSCAPES,
    size=(1024, 2048),
    images=r"([^_]+_\d{6}_\d{6})",
    ending="_pred_labelIds",
    splits={"val": 500, "test": 1525},
)
ADE20K_RULES = Rules(ADE20K, images=r"(ADE_(?:train|val|test)_\d{8})", splits={"val": 2000, "test": 2000})


def rules_for(labels: LabelSpace) -> Rules:
    """Return the rules of the benchmark with the given classes. Without one, masks are named as their images."""
    benchmarks = (CITYSCAPES_RULES, ADE20K_RULES)
    return next((rules for rules in benchmarks if _classes(rules.labels) == _classes(labels)), Rules(labels))


def _classes(labels: LabelSpace) -> list[tuple[str, int]]:
    return [(label.name, label.id) for label in labels.classes]


def write_submission(path: Path, rules: Rules, masks: Iterator[tuple[str, ByteArray]]) -> int:
    """Write masks to a zip archive, which gets its name only if it keeps the rules.

    Args:
        path: the archive, which must not exist.
        rules: the benchmark's rules.
        masks: for each image, its path relative to the folder of the images, and its mask of train ids ``(H, W)``.

    Returns:
        The number of masks in the archive.

    Raises:
        DataError: two images have the same mask name, or an image is not named as the benchmark's images are.
        OutputError: the archive can't be written, or breaks the rules.
    """
    sizes: dict[str, Size] = {}

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w") as archive:  # without compression: PNGs are compressed already
            for image, mask in masks:
                name = rules.name(image)
                if name in sizes:
                    raise DataError(f"{image} and another image would both be written to {name}: rename one of them")
                sizes[name] = (mask.shape[0], mask.shape[1])
                stream = io.BytesIO()
                Image.fromarray(rules.labels.decode(mask)).save(stream, "PNG")
                archive.writestr(name, stream.getvalue())
        if faults := find_faults(temporary, rules, sizes):
            raise OutputError(f"the benchmark would refuse {path}, so it was not written:\n" + "\n".join(faults))

    write_atomically(path, write)
    return len(sizes)


def find_faults(archive: Path, rules: Rules, sizes: Mapping[str, Size]) -> list[str]:
    """Return the faults for which a benchmark would refuse an archive, one sentence for each file.

    Args:
        archive: a zip archive of masks.
        rules: the benchmark's rules.
        sizes: the expected masks by name, each with the size of its image.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if not name.endswith("/")]
            faults = [f"{name} is missing" for name in sizes if name not in names]
            for name in names:
                if name not in sizes:
                    faults.append(
                        f"{name} is not the mask of an image; the server stops if it finds other files, such as colour "
                        "pictures"
                    )
                elif names.count(name) > 1:
                    faults.append(f"{name} occurs more than once")
                elif fault := _fault(opened.read(name), rules, sizes[name]):
                    faults.append(f"{name} {fault}")
    except (zipfile.BadZipFile, OSError) as error:
        return [f"{archive} is not a complete zip archive: {error}"]
    return faults


def _fault(content: bytes, rules: Rules, size: Size) -> str:
    """Return the fault of a mask, or an empty text for a good one."""
    try:
        mask = Image.open(io.BytesIO(content))
        mask.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"can't be decoded: {error}"
    if mask.format != "PNG" or mask.mode != "L":
        return (
            f"is a {mask.format} file of mode {mask.mode}; it must be a PNG with one 8-bit id for each pixel (mode L)"
        )
    height, width = rules.size or size
    if mask.size != (width, height):
        return f"is {mask.width} x {mask.height}; it must be {width} x {height}"
    allowed = {label.id for label in rules.labels.classes}
    if foreign := sorted(set(np.unique(np.asarray(mask)).tolist()) - allowed):
        hint = ": are they train ids?" if set(foreign) <= {*range(rules.labels.num_classes), 255} else ""
        return f"holds the ids {foreign}, which no class of {rules.labels.name} has{hint}"
    return ""
