"""One file for each image: what has become of an image, and what is said at the end."""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from segrnn.config.parsing import plain
from segrnn.config.schema import Predict
from segrnn.errors import DataError
from segrnn.images import read_upright
from segrnn.images.storage import source_of
from segrnn.inference import FORMATS, MAPS, Ensemble, Format, Job, Notices, digest_weights, is_file, polygon_formats
from segrnn.outputs import Archives, Output
from segrnn.polygons import Outliner
from segrnn.tasks.showcase import Showcase
from segrnn.text import counted, tell


class Done(NamedTuple):
    """What has become of a job: its mask's file, or the reason why there is none."""

    job: Job
    fault: str = ""
    is_turned: bool = False
    content: bytes = b""
    """What the mask's file holds, if it goes into an archive."""


class MaskWriter:
    """Writes the mask of an image, or tells why there is none.

    Args:
        predictor: labels the image.
        format: the form of the mask's file.
        output: the folder of the masks. With None, the result has the content of the mask's file.
        max_pixels: an image that claims to have more is refused.
        say: gets a message if an image is too large for the network.
        showcase: gets the images that have masks.
    """

    def __init__(
        self,
        predictor: Ensemble,
        format: Format,
        output: Output | None,
        max_pixels: int,
        say: Callable[[str], None],
        showcase: Showcase | None = None,
    ) -> None:
        self._predictor, self._format, self._output = predictor, format, output
        self._max_pixels, self._showcase = max_pixels, showcase
        self._notices = Notices(predictor, say)

    def __call__(self, job: Job) -> Done:
        """Write the mask.

        Raises:
            OutputError: the file can't be written.
        """
        predictor = self._predictor
        try:
            image, is_turned = read_upright(job.image, predictor.preprocessing.bands, self._max_pixels)
            self._notices.note(image, job.image)
            content = self._write(job, lambda path: self._format.write(path, predictor, image, job.image))
        except DataError as error:
            return Done(job, str(error))
        if self._showcase is not None:
            self._showcase.add(predictor, image, job.mask.stem)
        return Done(job, "", is_turned, content)

    def _write(self, job: Job, write: Callable[[Path], object]) -> bytes:
        if self._output is not None:
            self._output.write(job.mask, write)
            return b""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, job.mask.name)
            write(path)
            return path.read_bytes()


def formats_of(config: Predict) -> dict[str, Format]:
    """Return the formats with a file for each image, by their names."""
    return {**FORMATS, **MAPS, **polygon_formats(outliner_of(config))}


def archives_of(config: Predict, output: Output) -> Archives | None:
    """Return the archives that get the masks, or None if each mask is a file of its own."""
    return Archives(output, config.archive_size) if config.archive_size else None


def filling(archives: Archives | None) -> AbstractContextManager[None]:
    """Fill archives meanwhile, if there are some."""
    return archives.filling() if archives else nullcontext()


def put_away(done: Done, archives: Archives | None) -> Done:
    """Put a mask that has no file of its own into an archive, and return what has become of the image without it.

    Raises:
        OutputError: an archive is full and can't be written.
    """
    if archives and not done.fault:
        archives.add(done.job.mask, done.content)
    return done._replace(content=b"")


def outliner_of(config: Predict) -> Outliner:
    """Return what makes polygons of masks."""
    return Outliner(config.polygons.tolerance, config.polygons.leave_out)


def settings_of(config: Predict) -> dict[str, Any]:
    """Return all settings that masks depend on.

    Networks are identified by their weights, because a checkpoint may have been moved.
    """
    kept = {
        key: plain(config)[key] for key in ("inside", "format", "polygons", "scales", "flip", "windows", "precision")
    }
    weights = [digest_weights(path) for path in config.ckpt]
    archives = config.archive_size > 0
    return {"weights": weights, "input": _name_input(config.input), "archives": archives, **kept}


def _name_input(text: str) -> str:
    """Return a name of the input that stays the same from another folder, without the password of a stream."""
    if not is_file(text):
        return text.rpartition("@")[2]
    source = source_of(text)
    return str(source.resolve() if isinstance(source, Path) else source)


def say_kept(kept: int, jobs: int | None, config: Predict) -> None:
    """Say how many masks are there from an earlier start."""
    if kept:
        of = f" of {jobs}" if jobs else ""
        tell(f"{kept}{of} masks are already in {config.output} from an earlier start; overwrite=true writes them again")


def say_written(count: int, config: Predict, remarks: Counter[str]) -> None:
    """Say how many masks were written, and what the format has to remark on them."""
    tell(f"{count} masks ({config.format}) in {config.output}")
    for remark, number in remarks.items():
        tell(f"{remark}: {number}")


def sum_up(done: Sequence[Done], count: int, config: Predict, remarks: Counter[str]) -> list[PurePath]:
    """Say what was written, and return the paths of the masks in the output.

    Args:
        done: what has become of the images of this start.
        count: the number of all images.
        config: the configuration.
        remarks: what the format has to remark on the files, and how often.

    Raises:
        DataError: some images have no mask. The message has a line for each of them.
    """
    written = [each.job for each in done if not each.fault]
    if turned := [each.job for each in done if each.is_turned]:
        what = counted(len(turned), "image")
        tell(f"EXIF tags turn {what}, e.g. {turned[0].image}: the masks have the size that people see")
    say_written(len(written), config, remarks)
    if broken := [each.fault for each in done if each.fault]:
        raise DataError(f"{len(broken)} of {count} images have no mask:\n" + "\n".join(broken))
    return [job.mask for job in written]
