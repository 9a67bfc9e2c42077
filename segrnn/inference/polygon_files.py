"""The files of polygons that can be written for an image."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from segrnn.atomic import write_text
from segrnn.images import File, ImageArray
from segrnn.inference.masks import Format, train_ids
from segrnn.inference.predictor import Predictor
from segrnn.polygons import Outliner, Region, write_alto, write_geojson, write_page_xml

WriteText = Callable[[str, tuple[int, int], Sequence[Region]], str]
"""A function that makes the text of a file from a picture's name, its height and width, and its regions."""


def polygon_formats(outliner: Outliner) -> dict[str, Format]:
    """Return the formats of polygons with a file for each image, by their names.

    Args:
        outliner: makes the polygons.
    """

    def write(path: Path, predictor: Predictor, image: ImageArray, source: File) -> None:
        mask = train_ids(predictor, image)
        write_text(path, write_geojson(source.name, mask.shape, outliner.regions(predictor.info.labels, mask)))

    return {
        "geojson": Format(".geojson", write, check=outliner.check),
        "pagexml": _FormatWithoutHoles(outliner, write_page_xml).format,
        "alto": _FormatWithoutHoles(outliner, write_alto).format,
    }


class _FormatWithoutHoles:
    """A format whose regions have no holes, which counts the regions that it cuts."""

    def __init__(self, outliner: Outliner, make_text: WriteText) -> None:
        self._outliner, self._make_text, self._cut = outliner, make_text, 0

    @property
    def format(self) -> Format:
        return Format(".xml", self.write, self.remarks, self._outliner.check)

    def write(self, path: Path, predictor: Predictor, image: ImageArray, source: File) -> None:
        mask = train_ids(predictor, image)
        regions, cut = self._outliner.regions_without_holes(predictor.info.labels, mask)
        self._cut += cut
        write_text(path, self._make_text(source.name, mask.shape, regions))

    def remarks(self) -> Counter[str]:
        remark = "regions with holes, which the format lacks, were cut into pieces without holes"
        return Counter({remark: self._cut} if self._cut else {})
