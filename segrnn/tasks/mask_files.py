"""One file for each image: what has become of an image, and what is said at the end."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from segrnn.config.parsing import plain
from segrnn.config.schema import Predict
from segrnn.errors import DataError
from segrnn.images import read_upright
from segrnn.images.storage import source_of
from segrnn.inference import FORMATS, MAPS, Ensemble, Format, Job, Notices, digest_weights, is_file, polygon_formats
from segrnn.outputs import Output
from segrnn.polygons import Outliner
from segrnn.tasks.showcase import Showcase
from segrnn.text import counted, tell


class Done(NamedTuple):
    """What has become of a job: its mask's file, or the reason why there is none."""

    job: Job
    fault: str = ""
    is_turned: bool = False


class MaskWriter:
    """Writes the mask of an image, or tells why there is none.

    Args:
        predictor: labels the image.
        format: the form of the mask's file.
        output: the folder of the masks.
        max_pixels: an image that claims to have more is refused.
        say: gets a message if an image is too large for the network.
        showcase: gets the images that have masks.
    """

    def __init__(
        self,
        predictor: Ensemble,
        format: Format,
        output: Output,
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
            self._output.write(job.mask, lambda path: self._format.write(path, predictor, image, job.image))
        except DataError as error:
            return Done(job, str(error))
        if self._showcase is not None:
            self._showcase.add(predictor, image, job.mask.stem)
        return Done(job, "", is_turned)


def formats_of(config: Predict) -> dict[str, Format]:
    """Return the formats with a file for each image, by their names."""
    return {**FORMATS, **MAPS, **polygon_formats(outliner_of(config))}


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
    return {"weights": weights, "input": _name_input(config.input), **kept}


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
