"""Masks that keep the place on earth of their image."""

from pathlib import Path

from segrnn.atomic import write_atomically
from segrnn.images.geotiff import Georeference, import_rasterio
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
