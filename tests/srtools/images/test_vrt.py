"""VRT files: pixels and places, read back by GDAL."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from srtools.images import raster, vrt
from srtools.urls import redact


@pytest.fixture
def ground() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 9000, (30, 50)).astype(np.uint16)


def read(path) -> tuple[np.ndarray, Affine]:
    with rasterio.open(path) as file:
        return file.read(), file.transform


def test_tiles_side_by_side(tmp_path, write_raster, ground):
    """Where tiles overlap, the later one is on top, except for its nodata."""
    west, east = ground[:24, :30].copy(), ground[6:, 20:].copy()
    east[:, :4] = 0
    x, y = 450000.0, 5400000.0
    tiles = [
        [write_raster("west.tif", west, 10.0, (x, y))],
        [write_raster("east.tif", east, 10.0, (x + 200, y - 60))],
    ]
    assert vrt.write_mosaics(tiles[:1], tmp_path) == tiles[0]
    (path,) = vrt.write_mosaics(tiles, tmp_path)
    assert redact(path) == f"{tiles[0][0]} and {tiles[1][0]}"
    expected = np.zeros_like(ground)
    expected[:24, :30] = west
    expected[6:, 24:] = ground[6:, 24:]
    pixels, place = read(path)
    np.testing.assert_array_equal(pixels[0], expected)
    assert place == Affine(10, 0, x, 0, -10, y)
    (path,) = vrt.write_mosaics(tiles[::-1], tmp_path)
    assert raster.describe(path, "mosaic").bounds == (x, y - 300, x + 500, y)


def test_reflected_on_all_sides(tmp_path, write_raster, ground):
    pixels = np.stack([ground, ground[::-1]], axis=-1)
    image = raster.describe(write_raster("a & b.tif", pixels), "image")
    reflected, place = read(vrt.write_reflected(tmp_path / "r.vrt", image, 7))
    expected = np.pad(pixels, ((7, 7), (7, 7), (0, 0)), "symmetric")
    np.testing.assert_array_equal(np.moveaxis(reflected, 0, -1), expected)
    assert place == image.transform @ Affine.translation(-7, -7)


def test_displaced_and_a_grid_without_pixels(tmp_path, write_raster, ground):
    image = raster.describe(write_raster("a.tif", ground), "image")
    pixels, place = read(vrt.write_displaced(tmp_path / "d.vrt", image, 1.5, -3.0))
    np.testing.assert_array_equal(pixels[0], ground)
    assert place == Affine.translation(1.5, -3.0) @ image.transform
    grid = raster.describe(vrt.write_grid(tmp_path / "grid.vrt", image.grid), "grid")
    assert grid.grid == image.grid and not read(grid.path)[0].any()


def test_masked(tmp_path, write_raster, ground):
    bands = np.stack([ground, ground[::-1]], axis=-1)
    image = raster.describe(write_raster("a.tif", bands), "image")
    kept = np.random.default_rng(1).integers(0, 2, ground.shape).astype(np.uint8)
    mask = raster.describe(write_raster("mask.tif", kept), "mask")
    pixels, _ = read(vrt.write_masked(tmp_path / "m.vrt", image, mask))
    np.testing.assert_array_equal(np.moveaxis(pixels, 0, -1), bands * kept[..., None])


def test_the_rest_of_a_band_is_0(tmp_path, write_raster, ground):
    path = write_raster("a.tif", ground)
    band = vrt.Band(1, "uint16", [vrt.Copy(path, (2, 1, 5, 4), (10, 20))])
    grid = raster.describe(path, "image").grid
    pixels, _ = read(vrt.write(tmp_path / "m.vrt", grid, [band]))
    np.testing.assert_array_equal(pixels[0, 20:24, 10:15], ground[1:5, 2:7])
    assert not pixels[:, :20].any() and not pixels[..., :10].any()
