"""Images of many bands, as TIFF files and as NumPy files of the same values."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from segrnn.images.geotiff import Georeference

UTM = Georeference(rasterio.crs.CRS.from_epsg(32632).to_wkt(), (0.5, 0.0, 600000.0, 0.0, -0.5, 5200000.0))


def write_tiff(path: Path, pixels: np.ndarray, place: Georeference | None = None) -> None:
    """Write ``(H, W, C)`` as a TIFF file, which is a map if it has a place."""
    height, width, channels = pixels.shape
    where = {"crs": place.crs, "transform": rasterio.Affine(*place.transform)} if place else {}
    size = {"height": height, "width": width, "count": channels, "dtype": pixels.dtype}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **size, **where) as file:
            file.write(np.moveaxis(pixels, -1, 0))


def write_bands(root: Path, suffix: str = ".tif", size: tuple[int, int] = (36, 52)) -> None:
    """Write four training and two validation images of 4 bands and 16 bits, whose bands follow three classes."""
    rng = np.random.default_rng(8)
    levels = rng.integers(5000, 60000, (3, 4))
    for split, count in {"train": 4, "val": 2}.items():
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            ids = np.kron(rng.integers(0, 3, (size[0] // 4, size[1] // 4)), np.ones((4, 4), int))
            pixels = (levels[ids] + rng.integers(-3000, 3000, (*ids.shape, 4))).astype(np.uint16)
            image = root / "images" / split / f"{number}{suffix}"
            if suffix == ".npy":
                np.save(image, pixels)
            else:
                write_tiff(image, pixels, UTM)
            Image.fromarray(ids.astype(np.uint8)).save(root / "masks" / split / f"{number}.png")
