"""Masks that keep the place on earth of their image."""

from pathlib import Path

from segrnn.atomic import write_atomically
from segrnn.errors import DataError
from segrnn.images.bands import ImageArray
from segrnn.images.geotiff import Georeference, import_rasterio, read_georeference
from segrnn.images.storage import File
from segrnn.inference.masks import Format, label_ids
from segrnn.inference.predictor import Predictor
from segrnn.labels.space import ByteArray


def write_geotiff(path: Path, mask: ByteArray, georeference: Georeference) -> None:
    """Write a mask ``(H, W)`` as a compressed GeoTIFF of one band, atomically.

    Raises:
        OutputError: the file can't be written.
    """
    rasterio = import_rasterio(path)

    def write(temporary: Path) -> None:
        profile = {"driver": "GTiff", "height": mask.shape[0], "width": mask.shape[1], "count": 1, "dtype": "uint8"}
        place = {"crs": georeference.crs, "transform": rasterio.Affine(*georeference.transform)}
        with rasterio.open(temporary, "w", compress="deflate", **profile, **place) as target:
            target.write(mask, 1)

    write_atomically(path, write)


def write_map(path: Path, predictor: Predictor, image: ImageArray, source: File) -> None:
    """Write the ids of labels as a GeoTIFF with the coordinates of the image's file.

    Raises:
        DataError: the image's file has no coordinates.
        OutputError: the file can't be written.
    """
    georeference = read_georeference(source)
    if georeference is None:
        raise DataError(f"{source} has no georeference: format=label_ids writes masks without one")
    write_geotiff(path, label_ids(predictor, image), georeference)


MAPS = {"geotiff": Format(".tif", write_map)}
