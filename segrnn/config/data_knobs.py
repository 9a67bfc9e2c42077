"""The knobs of datasets, of training crops and of their augmentation."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.knobs import Limits, knob

_COUNT, _SHARE, _POSITIVE = Limits(at_least=1), Limits(share=True), Limits(above=0)
_SIDES = Limits(above=0, length=2)


@dataclass(kw_only=True)
class Data:
    """The settings that all datasets have in common. A file of ``conf/data/`` sets those that differ."""

    name: str = knob("the name of the dataset in titles and file names")
    root: str = knob(
        "the folder or the zip archive that holds the dataset, or the address of one: s3://, gs:// or https://"
    )
    stream: str | None = knob(
        "in place of root, the folder of shards that prepare pack format=webdataset wrote, or its address", None
    )
    mixed_shards: int = knob(
        "the number of shards of a stream whose images are mixed; the cache holds two more of them at a time", 8, _COUNT
    )
    train_split: str = knob("the split for training, or several of them, such as train+val", "train")
    split: str = knob("the split for validation and evaluation; it can be several, too", "val")
    batch_size: int | str = knob(
        "the number of crops in a step, over all processes together; auto takes the most that fit into memory, in runs "
        "of one process",
        16,
        Limits(at_least=1, or_word="auto"),
    )
    eval_batch_size: int = knob(
        "the number of images read at a time; each image goes through the network alone, so scores do not depend on it",
        8,
        _COUNT,
    )
    workers: int | None = knob(
        "the number of processes that load data; 0 loads in the main process; null is one for each core, at most 4",
        None,
        Limits(at_least=0),
    )
    channels: int = knob("the number of channels of an image file", 3, _COUNT)
    white: float = knob(
        "the value in image files that counts as 1: 255 for 8 bits, 65535 for 16 bits, usually 1 for floats",
        255.0,
        _POSITIVE,
    )
    crop: list[int] = knob("height and width of a training crop", limits=_SIDES)
    base_size: list[int] | None = knob(
        "[short, long]: each image is first resized to the largest size within these sides, its ratio kept; null keeps "
        "the file's size",
        None,
        _SIDES,
    )
    scale: list[float] = knob(
        "the least and the largest scale of training images, relative to the base size or, without one, to the file's "
        "size",
        [0.5, 2.0],
        _SIDES,
    )
    eval_scale: float = knob(
        "the scale of images in validation, evaluation and prediction, relative to the same size", 1.0, _POSITIVE
    )
    max_class_share: float = knob(
        "the largest share of a crop that one class may cover; otherwise another crop is drawn, at most ten in all; 1 "
        "takes every crop",
        1.0,
        _SHARE,
    )
    flip: float = knob("the probability that a crop is mirrored", 0.5, _SHARE)
    color: float = knob("how much brightness, contrast and saturation of photos may change, from 0 to 1", 0.3, _SHARE)
    augment: list[dict[str, Any]] = knob(
        "further random changes of a crop, each with its _target_, such as albumentations.Rotate, and its arguments; "
        "the group augment chooses lists that are ready to use",
        [],
    )
    stats: str | None = knob(
        "the file that prepare stats wrote about the training split; repeat_threshold needs it", None
    )
    repeat_threshold: float = knob(
        "a share of the images; a class in fewer images is rare, and images with rare classes are shown more often; 0 "
        "repeats none",
        0.0,
        _SHARE,
    )
    dataset: dict[str, Any] = knob("the class that reads the dataset, and its arguments")

    @property
    def source(self) -> str:
        """Return where the images come from: the stream or, without one, the root."""
        return self.stream or self.root
