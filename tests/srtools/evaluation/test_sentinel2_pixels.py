"""Sentinel-2's own pixels: found where each patch lies, moved or not."""

import numpy as np
import pytest
import rasterio

from srtools.evaluation import sentinel2_pixels
from srtools.evaluation.eval_set import EvalSet
from tests.conftest import CORNER, UTM31

SIZE, SPACING = 128, 1.5
WINDOWS = np.array([[0, 0], [40, 64], [100, 10]])


def sentinel2(write_raster, corner=(451900.0, 5412110.0), size=130) -> str:
    """Write pixels that tell their row and column, as exercise 1 keeps them."""
    rows, cols = np.indices((size, size)) + 1
    pixels = np.stack([rows, cols, rows, cols], axis=-1).astype(np.uint16)
    return write_raster("sentinel2.tif", pixels, spacing=10.0, corner=corner)


def open_grid(folder, crs=UTM31, origin=CORNER, windows=WINDOWS, **more):
    xs = {"crs": crs, "origin": list(origin)} if origin else {"crs": crs}
    dataset = {"hr": {"spacing": SPACING}, "xs": xs, **more}
    test = EvalSet(folder, {}, len(WINDOWS), SIZE, dataset, windows)
    return sentinel2_pixels.open_grid(test)


@pytest.mark.parametrize(
    ("origin", "shift"),
    [
        ((452001.0, 5411998.0), None),
        # Spot lay 4 m too far west and 3 m too far north, and was moved.
        ((451997.0, 5412001.0), {"east": 4.0, "north": -3.0}),
    ],
)
def test_pixels_by_hand(write_raster, tmp_path, origin, shift):
    """A patch from 1 m east and 2 m south of a corner of Sentinel-2's pixels.

    Of its 192 m, centres from 15.24 m to 176.76 m are taken.  They lie at 5, 15, 25 m
    from that corner, and so 1 m (east) or 2 m (south) less from the patch's: 24 to 174
    m, and 23 to 173 m.
    """
    sentinel2(write_raster, corner=(452000.0, 5412000.0))
    view = open_grid(tmp_path, origin=origin, coregistered=shift).view(0)
    assert view.pixels.shape == (16, 16, 4)
    np.testing.assert_allclose(view.cols[[0, -1]] * 1.5 + 0.75, [24, 174])
    np.testing.assert_allclose(view.rows[[0, -1]] * 1.5 + 0.75, [23, 173])
    # The third to the eighteenth row and column, in reflectance.
    np.testing.assert_allclose(view.pixels[:, 0, 0], 1e-4 * np.arange(3, 19))
    np.testing.assert_allclose(view.pixels[0, :, 1], 1e-4 * np.arange(3, 19))


def test_pixels_of_another_patch(write_raster, tmp_path):
    """64 columns and 40 rows of 6 m further on: 384 m, 240 m."""
    sentinel2(write_raster)
    one, other = (open_grid(tmp_path).view(number) for number in (0, 1))
    for axis, band, metres in ((0, 0, 240), (1, 1, 384)):
        places = [(view.rows, view.cols)[axis][0] * 1.5 for view in (one, other)]
        numbers = [view.pixels[0, 0, band] * 1e5 for view in (one, other)]
        moved = numbers[1] - places[1] - numbers[0] + places[0]
        assert moved == pytest.approx(metres, abs=1e-3)


def test_rim_and_missing_pixels(tmp_path, write_raster):
    """At the rim of Sentinel-2 a square is left, beyond it and over gaps nothing."""
    path = sentinel2(write_raster, corner=(CORNER[0] + 100, CORNER[1] + 100), size=40)
    grid = open_grid(tmp_path)
    assert grid.view(0).pixels.shape == (8, 8, 4)  # 105 to 175 m
    assert grid.view(2) is None  # 600 m further south
    with rasterio.open(path, "r+") as file:
        pixels = file.read()
        pixels[0, 15, 2] = 0
        file.write(pixels)
    assert grid.view(0) is None
    sentinel2(write_raster, corner=(CORNER[0] + 150, CORNER[1] + 100), size=40)
    assert open_grid(tmp_path).view(0) is None  # three pixels a side


def test_without_the_image(tmp_path, write_raster):
    """No image, no places, another CRS, or a card that says little."""
    assert open_grid(tmp_path) is None
    sentinel2(write_raster)
    assert open_grid(tmp_path) is not None
    assert open_grid(tmp_path, windows=None) is None
    assert open_grid(tmp_path, "EPSG:32632") is None
    assert open_grid(tmp_path, origin=None) is None
