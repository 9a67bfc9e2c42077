"""The knobs of the parts of ``prepare`` that read one file, and no dataset."""

from dataclasses import dataclass

from segrnn.config.knobs import REQUIRED, Limits, knob
from segrnn.config.parsing import Config


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
