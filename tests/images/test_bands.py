from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from band_files import UTM, write_tiff
from PIL import Image

from segrnn.errors import DataError
from segrnn.images import RGB, Bands, as_array, as_photo, read_bands
from segrnn.images.geotiff import read_georeference
from segrnn.inference.geo_masks import write_geotiff


def draw(channels: int, dtype: type, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return rng.normal(size=(5, 7, channels)).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, (5, 7, channels), dtype, endpoint=True)


@pytest.mark.parametrize(
    ("channels", "dtype", "white"),
    [(1, np.uint8, 255), (4, np.uint8, 255), (4, np.uint16, 65535), (6, np.uint16, 65535), (2, np.float32, 1)],
)
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_all_bands_come_through(tmp_path: Path, channels: int, dtype: type, white: float, suffix: str) -> None:
    pixels, path = draw(channels, dtype), tmp_path / f"a{suffix}"
    if suffix == ".tif":
        write_tiff(path, pixels)
    else:
        np.save(path, pixels)
    bands = Bands(channels, white)
    read = read_bands(path, bands)
    assert read.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    np.testing.assert_array_equal(read, pixels)
    np.testing.assert_array_equal(as_array(path, bands), pixels)
    np.testing.assert_array_equal(as_array(pixels, bands), pixels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_of_16_bits_keeps_them(tmp_path: Path, channels: int) -> None:
    pixels = draw(channels, np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]  # as OpenCV writes them
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., order])
    np.testing.assert_array_equal(read_bands(tmp_path / "a.png", Bands(channels, 65535)), pixels)


def test_alpha_is_a_band_if_four_are_asked_for(tmp_path: Path) -> None:
    pixels = draw(4, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_bands(tmp_path / "a.png", Bands(4)), pixels)
    np.testing.assert_array_equal(read_bands(tmp_path / "a.png", RGB), pixels[..., :3])


def test_other_bands_and_depths_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", draw(4, np.uint16))
    for bands, message in {
        Bands(5, 65535): r"a\.tif has 4 bands, but data\.channels=5: all images need the same bands",
        Bands(4): r"a\.tif holds uint16 values, but data\.white=255: set data\.white=65535",
        Bands(4, 1): r"a\.tif holds uint16 values, but data\.white=1: set data\.white=65535",
    }.items():
        with pytest.raises(DataError, match=message):
            read_bands(tmp_path / "a.tif", bands)
    np.save(tmp_path / "a.npy", np.float32([[[np.nan, 1]]]))
    with pytest.raises(DataError, match=r"a\.npy holds values that are not finite"):
        read_bands(tmp_path / "a.npy", Bands(2, 1))
    with pytest.raises(DataError, match=r"a\.npy holds float32 values, but data\.white=255: set it to the value that"):
        read_bands(tmp_path / "a.npy", Bands(2))
    with pytest.raises(DataError, match="claims to be 7 x 5, which is 35 pixels and more than max_pixels=34"):
        read_bands(tmp_path / "a.tif", Bands(4, 65535), max_pixels=34)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:100])
    with pytest.raises(DataError, match=r"b\.tif \(100 bytes\) can't be decoded as TIFF"):
        read_bands(tmp_path / "b.tif", Bands(4, 65535))
    for name in ("none.tif", "none.npy"):
        with pytest.raises(DataError, match="does not exist"):
            read_bands(tmp_path / name, Bands(4, 65535))


@pytest.mark.parametrize(("channels", "dtype"), [(2, np.uint8), (4, np.uint8), (5, np.uint8), (4, np.uint16)])
def test_a_photo_loses_no_band_in_silence(tmp_path: Path, channels: int, dtype: type) -> None:
    write_tiff(tmp_path / "a.tif", draw(channels, dtype))
    with pytest.raises(DataError, match="need data.channels=<bands> and data.white=<value of 1>"):
        read_bands(tmp_path / "a.tif", RGB)


def test_opaque_alpha_says_nothing(tmp_path: Path) -> None:
    pixels = draw(4, np.uint8)
    pixels[..., 3] = 255
    write_tiff(tmp_path / "a.tif", pixels)
    np.testing.assert_array_equal(read_bands(tmp_path / "a.tif", RGB), pixels[..., :3])


def test_a_mask_keeps_the_place_of_its_image(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", draw(4, np.uint16), UTM)
    place = read_georeference(tmp_path / "a.tif")
    assert place is not None
    mask = draw(1, np.uint8)[..., 0]
    write_geotiff(tmp_path / "mask.tif", mask, place)
    with rasterio.open(tmp_path / "mask.tif") as written, rasterio.open(tmp_path / "a.tif") as image:
        assert written.crs == image.crs
        assert written.transform == image.transform
        np.testing.assert_array_equal(written.read(1), mask)


def test_most_pictures_have_no_place(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", draw(1, np.uint8))
    Image.fromarray(draw(3, np.uint8)).save(tmp_path / "a.png")
    assert read_georeference(tmp_path / "a.tif") is read_georeference(tmp_path / "a.png") is None


def test_people_see_any_image() -> None:
    photo = draw(3, np.uint8)
    np.testing.assert_array_equal(as_photo(photo), photo)
    for channels in (1, 2, 3, 6):
        seen = as_photo(draw(channels, np.float32))
        assert seen.shape == (5, 7, 3)
        assert (seen.min(), seen.max()) == (0, 255)
        assert (seen[..., 0] == seen[..., 1]).all() == (channels < 3)
    assert not as_photo(np.full((2, 2, 4), 7, np.float32)).any()
