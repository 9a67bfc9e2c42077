"""Pseudo labels: masks of a trained network, on which another network is trained where the first one is sure."""

from pathlib import Path, PurePath

from rich.progress import track

from segrnn.atomic import new_folder
from segrnn.config.predictor_builder import build_predictor
from segrnn.config.schema import Predict
from segrnn.datasets.mask_folder import MaskFolder
from segrnn.errors import ConfigError, DataError
from segrnn.images import as_photo, read_upright
from segrnn.images.storage import source_of
from segrnn.inference import VIDEO_SUFFIXES, Job, Notices, Predictor, plan
from segrnn.labels import IGNORE_INDEX, LabelSpace
from segrnn.outputs import LocalFolder
from segrnn.process_group import ProcessGroup
from segrnn.text import counted, tell

_VAL = 0.2
"""The share of the pictures for validation. ``classes.yaml`` has it, where people can change it."""


def write_pseudo_labels(config: Predict) -> list[PurePath]:
    """Write a folder of pictures and masks for ``data=folder``. Pixels of which the network is not sure are void.

    Pictures that can't be read are left out, and an error names them at the end.

    Args:
        config: the configuration of ``conf/predict.yaml``.

    Returns:
        The folder. It is there whole or not at all.

    Raises:
        SegrnnError: the checkpoint, the configuration, the output or an image is at fault, or no pixel is left.
    """
    source, output = source_of(config.input), Path(config.output)
    if source.suffix.lower() in VIDEO_SUFFIXES:
        raise ConfigError(f"format=pseudo: input={source} is a video, and it needs pictures: write its frames to files")
    with new_folder(output) as draft:
        jobs = plan(source, LocalFolder(output), ".png", config.inside, tell)
        if len(jobs) < 2:
            raise DataError(f"input={source} has 1 image: a training needs two or more, one of them for validation")
        predictor = build_predictor(config.ckpt, config, ProcessGroup())
        writer, broken = _Writer(draft, predictor, config), []
        for job in track(jobs, description="predict"):
            try:
                writer.write(job)
            except DataError as error:
                broken.append(str(error))
        faults = "\n".join([f"{len(broken)} of {len(jobs)} images have no mask:", *broken])
        if len(broken) == len(jobs):
            raise DataError(faults)
        writer.finish()
    _say_written(writer, config, predictor)
    if broken:
        raise DataError(faults)
    return [output]


class _Writer:
    """Writes pictures and their masks, and counts pixels."""

    def __init__(self, root: Path, predictor: Predictor, config: Predict) -> None:
        self._folder, self._predictor, self._config = MaskFolder(root), predictor, config
        self._labels: LabelSpace = predictor.info.labels.with_void()
        self._notices = Notices(predictor, tell)
        self.pictures = self.turned = self.empty = self.pixels = self.void = 0

    def write(self, job: Job) -> None:
        """Write the picture and the mask of a job.

        Raises:
            DataError: the picture can't be read.
        """
        image, is_turned = read_upright(job.image, self._predictor.preprocessing.bands, self._config.max_pixels)
        self._notices.note(image, job.image)
        mask, confidence = (each.cpu().numpy() for each in self._predictor.mask_with_confidence(image))
        unsure = confidence < self._config.confidence
        mask[unsure] = IGNORE_INDEX
        # a training reads pixels as they are stored, so a turned picture is stored as people see it
        picture = as_photo(image) if is_turned else job.image
        self._folder.write(job.mask.with_suffix(job.image.suffix), picture, self._labels.decode(mask))
        self.pictures += 1
        self.turned += is_turned
        self.empty += bool(unsure.all())
        self.pixels += unsure.size
        self.void += int(unsure.sum())

    def finish(self) -> None:
        """Write the classes.

        Raises:
            DataError: all pixels are void.
        """
        if self.void == self.pixels:
            raise DataError(
                f"in no pixel of {counted(self.pictures, 'picture')} has a class the probability "
                f"{self._config.confidence}, so all of them would be void: choose a lower confidence"
            )
        self._folder.write_classes(self._labels, _VAL)


def _say_written(writer: _Writer, config: Predict, predictor: Predictor) -> None:
    tell(f"{writer.pictures} pictures with masks (pseudo) in {config.output}")
    tell(
        f"{100 * writer.void / writer.pixels:.2f} % of their pixels are void: their class is less probable than "
        f"{config.confidence}"
    )
    if writer.empty:
        tell(f"{counted(writer.empty, 'mask')} of them are void as a whole: no pixel of the picture is used")
    if writer.turned:
        tell(f"EXIF tags turn {counted(writer.turned, 'picture')}: they are stored turned, as PNG files")
    bands = predictor.preprocessing.bands
    data = f"data.root={config.output}"
    if not bands.are_rgb:
        data += f" data.channels={bands.channels} data.white={bands.white:g}"
    tell(f"python -m segrnn.train data=folder {data} data.crop=[<height>,<width>] trains on them")
