"""Archives of masks as the benchmarks' servers want them, looked through before they get their name."""

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
    """What an evaluation server accepts: one PNG of label ids for each image.

    Args:
        labels: whose classes' ids are the only ones in a mask.
        size: height and width of every mask; None where each has that of its image.
        images: how an image's stem begins, with the part that masks are found by as a group.
        ending: what follows that part in the name of a mask.
        splits: how many images the benchmark's splits have, by name.
    """

    labels: LabelSpace
    size: Size | None = None
    images: str = "(.+)"
    ending: str = ""
    splits: Mapping[str, int] | None = None

    def name(self, image: str) -> str:
        """What the mask of an image is called.

        Args:
            image: the image's path from where the images lie.

        Raises:
            DataError: the image is not called as the benchmark's images are.
        """
        path = safe_path(image)
        match = re.match(self.images, path.stem)
        if match is None:
            raise DataError(f"{image} is not named as the images of {self.labels.name} are ({self.images})")
        # servers want one flat folder; where there is none, masks lie as their images do
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
    """The rules of the benchmark that a label table belongs to; without one, masks are named as their images."""
    benchmarks = (CITYSCAPES_RULES, ADE20K_RULES)
    return next((rules for rules in benchmarks if _classes(rules.labels) == _classes(labels)), Rules(labels))


def _classes(labels: LabelSpace) -> list[tuple[str, int]]:
    return [(label.name, label.id) for label in labels.classes]


def write_submission(path: Path, rules: Rules, masks: Iterator[tuple[str, ByteArray]]) -> int:
    """Write masks to a zip archive, which gets its name only when it keeps the rules.

    Args:
        path: the archive, which must not exist.
        rules: of the benchmark.
        masks: for each image, its path from where the images lie, and its mask of train ids ``(H, W)``.

    Returns:
        How many masks it holds.

    Raises:
        DataError: two images want the same mask, or are not called as the benchmark's are.
        OutputError: the archive can't be written, or breaks the rules.
    """
    sizes: dict[str, Size] = {}

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w") as archive:  # PNGs are packed already
            for image, mask in masks:
                name = rules.name(image)
                if name in sizes:
                    raise DataError(f"{image} and another image would both be written to {name}: rename one of them")
                sizes[name] = (mask.shape[0], mask.shape[1])
                stream = io.BytesIO()
                Image.fromarray(rules.labels.decode(mask)).save(stream, "PNG")
                archive.writestr(name, stream.getvalue())
        if faults := find_faults(temporary, rules, sizes):
            raise OutputError(f"{path} would be refused and was not written:\n" + "\n".join(faults))

    write_atomically(path, write)
    return len(sizes)


def find_faults(archive: Path, rules: Rules, sizes: Mapping[str, Size]) -> list[str]:
    """What a benchmark would refuse in an archive, one sentence for each file.

    Args:
        archive: a zip archive of masks.
        rules: of the benchmark.
        sizes: the masks that are wanted, and the size of each one's image.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if not name.endswith("/")]
            faults = [f"{name} is missing" for name in sizes if name not in names]
            for name in names:
                if name not in sizes:
                    faults.append(
                        f"{name} is not a mask of an image: a colour picture beside it, say, ends the evaluation"
                    )
                elif names.count(name) > 1:
                    faults.append(f"{name} is there more than once")
                elif fault := _fault(opened.read(name), rules, sizes[name]):
                    faults.append(f"{name} {fault}")
    except (zipfile.BadZipFile, OSError) as error:
        return [f"{archive} is no whole zip archive: {error}"]
    return faults


def _fault(content: bytes, rules: Rules, size: Size) -> str:
    """What is wrong with a mask; empty for a good one."""
    try:
        mask = Image.open(io.BytesIO(content))
        mask.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"can't be decoded: {error}"
    if mask.format != "PNG" or mask.mode != "L":
        return f"is {mask.format} of mode {mask.mode}, not a PNG with one 8-bit id for each pixel (mode L)"
    height, width = rules.size or size
    if mask.size != (width, height):
        return f"is {mask.width} x {mask.height}, not {width} x {height}"
    allowed = {label.id for label in rules.labels.classes}
    if foreign := sorted(set(np.unique(np.asarray(mask)).tolist()) - allowed):
        hint = ": are they train ids?" if set(foreign) <= {*range(rules.labels.num_classes), 255} else ""
        return f"holds the ids {foreign}, which are of no class of {rules.labels.name}{hint}"
    return ""
