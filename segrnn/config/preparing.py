"""The configuration of each part of ``prepare``."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.data_knobs import Data
from segrnn.config.knobs import ALLOW, REQUIRED, Limits, knob
from segrnn.config.parsing import Config

_WORKERS = "the number of processes; null starts one for each core, 0 works in the main process"
_SPLITS = Limits(filled="split")


@dataclass(kw_only=True)
class PrepareDownload(Config):
    """The configuration `conf/prepare_download.yaml`."""

    data: Data
    download: dict[str, Any] = knob("the download, from a file in conf/download/")
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class PrepareCheck(Config):
    """The configuration `conf/prepare_check.yaml`."""

    data: Data
    splits: list[str] = knob("the splits to check", ["train", "val"], _SPLITS)
    workers: int | None = knob(_WORKERS, None, Limits(at_least=0))
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class PrepareStats(Config):
    """The configuration `conf/prepare_stats.yaml`."""

    data: Data
    output: str = knob("the file to write", "runs/stats/${data.name}_${data.train_split}.json")
    workers: int | None = knob(_WORKERS, None, Limits(at_least=0))
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class PrepareLook(Config):
    """The configuration `conf/prepare_look.yaml`."""

    data: Data
    output: str = knob("the picture to write, a PNG file", "runs/look/${data.name}_${data.train_split}.png")
    count: int = knob("the number of samples", 16, Limits(at_least=1))
    seed: int = knob("the seed of the training whose first samples are drawn", 0, Limits(at_least=0))
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class PreparePack(Config):
    """The configuration `conf/prepare_pack.yaml`."""

    data: Data
    format: str = knob(
        "arrays, which need no decoding, for data=folder; or webdataset, shards for data.stream=",
        "arrays",
        Limits(options=("arrays", "webdataset")),
    )
    shard_mb: float = knob("for webdataset: the megabytes from which on a shard is full", 64.0, Limits(above=0))
    output: str = knob("the folder to write to; it must be new or empty", REQUIRED)
    splits: list[str] = knob("the splits to copy", ["train", "val"], _SPLITS)
    workers: int | None = knob(_WORKERS, None, Limits(at_least=0))
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class PrepareExtract(Config):
    """The configuration `conf/prepare_extract.yaml`."""

    archive: str = knob("a zip file", REQUIRED)
    output: str = knob("the folder to write to; if it exists, it must be empty", REQUIRED)
    inside: str = knob("the folder inside the archive to extract; an empty text extracts all of it", "")


@dataclass(kw_only=True)
class PrepareImportKraken(Config):
    """The configuration `conf/prepare_import_kraken.yaml`."""

    file: str = knob("a trained segmentation model of kraken, in CoreML's format (.mlmodel)", REQUIRED)
    output: str = knob("the folder of the bundle; if it exists, it must be empty", REQUIRED)
    kinds: list[str] = knob(
        "the kinds of kraken's classes that are kept; in a mask, regions hide the baselines in them",
        ["aux", "baselines", "regions"],
        Limits(filled="kind"),
    )


@dataclass(kw_only=True)
class PrepareImportPolygons(Config):
    """The configuration `conf/prepare_import_polygons.yaml`."""

    format: str = knob(
        "the format of the annotations: coco, yolo, labelme, cvat, labelstudio, alto or pagexml",
        REQUIRED,
        Limits(options=("coco", "yolo", "labelme", "cvat", "labelstudio", "alto", "pagexml")),
    )
    source: str = knob(
        "the file of annotations, or a folder or zip archive of them, searched with subfolders", REQUIRED
    )
    images: str = knob("the folder or zip archive of the pictures; an empty text looks beside the annotations", "")
    output: str = knob(
        "the folder for pictures (as hard links), masks and classes.yaml; it must be new or empty", REQUIRED
    )
    val_source: str = knob(
        "annotations of the pictures for validation; an empty text takes the splits of the source, or the share val",
        "",
    )
    val: float = knob(
        "the share of the pictures for validation if nothing says which these are", 0.2, Limits(above=0, share=True)
    )
    classes: list[str] = knob(
        "the classes from the lowest to the highest, where areas lie over each other; areas with other labels are "
        "void; an empty list takes all labels, and the order of the file",
        [],
    )
    background: str = knob(
        "the class of pixels without an area, which has the id 0; an empty text makes these pixels void", "background"
    )
