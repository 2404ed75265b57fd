"""Native pixels of Sentinel-2 over each patch, coregistered or not."""

import numpy as np
import pytest
import rasterio

from srtools.evaluation import sentinel2_pixels
from srtools.evaluation.eval_set import EvalSet
from tests.rasters import CORNER, UTM31

SIZE, SPACING = 128, 1.5
WINDOWS = np.array([[0, 0], [40, 64], [100, 10]])


def sentinel2(write_raster, corner=(451900.0, 5412110.0), size=130) -> str:
    """Write an image with the row and the column of each pixel as values."""
    rows, cols = np.indices((size, size)) + 1
    pixels = np.stack([rows, cols, rows, cols], axis=-1).astype(np.uint16)
    return write_raster("sentinel2.tif", pixels, spacing=10.0, corner=corner)


def open_reader(folder, crs=UTM31, origin=CORNER, windows=WINDOWS, **more):
    xs = {"crs": crs, "origin": list(origin)} if origin else {"crs": crs}
    dataset = {"hr": {"spacing": SPACING}, "xs": xs, **more}
    test = EvalSet(folder, {}, len(WINDOWS), SIZE, dataset, windows)
    return sentinel2_pixels.open_sentinel2(test)


@pytest.mark.parametrize(
    ("origin", "shift"),
    [
        ((452001.0, 5411998.0), None),
        # Spot was 4 m too far west and 3 m too far north.
        ((451997.0, 5412001.0), {"east": 4.0, "north": -3.0}),
    ],
)
def test_pixels_by_hand(write_raster, tmp_path, origin, shift):
    """A patch 1 m east and 2 m south of a corner of Sentinel-2's pixels.

    The patch has 192 m; centres from 15.24 m to 176.76 m are read.  The centres are 5,
    15, 25 m from that corner, so 24 to 174 m east and 23 to 173 m south of the patch's.
    """
    sentinel2(write_raster, corner=(452000.0, 5412000.0))
    native = open_reader(tmp_path, origin=origin, coregistered=shift).read(0)
    assert native.pixels.shape == (16, 16, 4)
    np.testing.assert_allclose(native.cols[[0, -1]] * 1.5 + 0.75, [24, 174])
    np.testing.assert_allclose(native.rows[[0, -1]] * 1.5 + 0.75, [23, 173])
    # The third to the eighteenth row and column, in reflectance.
    np.testing.assert_allclose(native.pixels[:, 0, 0], 1e-4 * np.arange(3, 19))
    np.testing.assert_allclose(native.pixels[0, :, 1], 1e-4 * np.arange(3, 19))


def test_pixels_of_another_patch(write_raster, tmp_path):
    """The next patch is 64 columns (384 m) and 40 rows (240 m) away."""
    sentinel2(write_raster)
    one, other = (open_reader(tmp_path).read(number) for number in (0, 1))
    for axis, band, metres in ((0, 0, 240), (1, 1, 384)):
        places = [(native.rows, native.cols)[axis][0] * 1.5 for native in (one, other)]
        numbers = [native.pixels[0, 0, band] * 1e5 for native in (one, other)]
        moved = numbers[1] - places[1] - numbers[0] + places[0]
        assert moved == pytest.approx(metres, abs=1e-3)


def test_a_wider_blur_leaves_more_of_the_rim_out(write_raster, tmp_path):
    """A modulation of 0.01 blurs with a sigma of 9.66 m: 29 m instead of 15 m."""
    sentinel2(write_raster)
    pair = {"modulation": {"value": 0.005, "low": 0.002, "high": 0.01}}
    readers = open_reader(tmp_path), open_reader(tmp_path, pair=pair)
    assert [reader.read(0).pixels.shape[0] for reader in readers] == [16, 13]


def test_rim_and_missing_pixels(tmp_path, write_raster):
    """A smaller square at the rim of Sentinel-2, and nothing beyond it or over gaps."""
    path = sentinel2(write_raster, corner=(CORNER[0] + 100, CORNER[1] + 100), size=40)
    reader = open_reader(tmp_path)
    assert reader.read(0).pixels.shape == (8, 8, 4)  # 105 to 175 m
    assert reader.read(2) is None  # 600 m further south
    with rasterio.open(path, "r+") as file:
        pixels = file.read()
        pixels[0, 15, 2] = 0
        file.write(pixels)
    assert reader.read(0) is None
    sentinel2(write_raster, corner=(CORNER[0] + 150, CORNER[1] + 100), size=40)
    assert open_reader(tmp_path).read(0) is None  # three pixels a side


def test_without_the_image(tmp_path, write_raster):
    assert open_reader(tmp_path) is None
    sentinel2(write_raster)
    assert open_reader(tmp_path) is not None
    assert open_reader(tmp_path, windows=None) is None
    assert open_reader(tmp_path, "EPSG:32632") is None
    assert open_reader(tmp_path, origin=None) is None
