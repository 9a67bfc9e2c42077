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
