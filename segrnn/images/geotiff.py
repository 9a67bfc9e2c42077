"""TIFF files of any number of bands, and the place on earth that a GeoTIFF shows."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segrnn.errors import DataError
from segrnn.images.reading import check_pixels
from segrnn.images.storage import File

TIFF_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class Georeference:
    """The place of an image on earth.

    Args:
        crs: the coordinate reference system, as WKT.
        transform: the six numbers that turn column and row into coordinates, in the order of rasterio's ``Affine``.
    """

    crs: str
    transform: tuple[float, ...]


def read_tiff(file: File, max_pixels: int) -> npt.NDArray[np.generic]:
    """Read all bands of a TIFF file, ``(H, W, C)``, in the file's own type.

    Raises:
        DataError: rasterio is not installed, or the file is missing, damaged or too large.
    """
    with _opened(file) as source:
        check_pixels(file, source.width, source.height, max_pixels)
        return np.ascontiguousarray(np.moveaxis(source.read(), 0, -1))


def read_georeference(file: File) -> Georeference | None:
    """Return the place of an image on earth, or None if the file does not say it.

    Raises:
        DataError: rasterio is not installed, or the file is missing or damaged.
    """
    if file.suffix.lower() not in TIFF_SUFFIXES:
        return None
    with _opened(file) as source:
        if source.crs is None or source.transform.is_identity:
            return None
        return Georeference(source.crs.to_wkt(), tuple(source.transform)[:6])


@contextmanager
def _opened(file: File) -> Iterator[Any]:
    rasterio = import_rasterio(file)
    try:
        content = file.read_bytes()
        with warnings.catch_warnings():
            # most TIFF files are no maps
            warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
            with rasterio.MemoryFile(content) as memory, memory.open(driver="GTiff") as source:
                yield source
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except rasterio.errors.RasterioError as error:
        raise DataError(f"{file} ({len(content)} bytes) can't be decoded as TIFF: {error}") from error


def import_rasterio(file: object) -> Any:
    """Import rasterio, which is optional.

    Args:
        file: the file that needs it, for the message.

    Raises:
        DataError: it is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise DataError(
            f"{file}: bands and georeferences of TIFF files need rasterio, which can't be imported ({error}): "
            'pip install "segrnn[geo]"'
        ) from error
    return rasterio
