"""Sentinel-2 on its own grid, and displaced Spot images."""

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds

from srtools.images.radiometry import remove_offset
from srtools.images.raster import describe
from srtools.pair.dataset_job import DatasetJob
from srtools.sentinel2.sentinel2_image import Sentinel2
from tests.rasters import UTM31

import pyotb


@pytest.mark.parametrize("crs", [UTM31, "EPSG:2154"])
def test_published_pixels_are_kept(tmp_path, write_raster, crs):
    """The published pixels less the offset, 0 stays 0, over Spot and 20 m more."""
    dn = np.random.default_rng(5).integers(900, 4000, (200, 200, 4)).astype(np.uint16)
    dn[:3] = 0
    corner = (451000.0, 5412900.0)
    s2 = write_raster("s2.tif", dn, 10.0, corner)
    left, top = (v[0] for v in transform(UTM31, crs, [451503.0], [5412493.0]))
    spot = np.ones((160, 160, 4), np.uint16)
    xs = describe(write_raster("xs.tif", spot, 6.0, (left, top), crs), "XS")
    job = DatasetJob(None, tmp_path, xs, xs, Sentinel2([[s2]], offset=1000))
    job.write_own_grid(remove_offset(pyotb.Input(s2), 1000))
    record = job.entries["sentinel2_own_grid"]
    with rasterio.open(tmp_path / "sentinel2.tif") as file:
        pixels, place, bounds = file.read(), file.transform, file.bounds
        assert file.crs == CRS.from_string(UTM31) and file.dtypes == ("uint16",) * 4
        assert file.compression.name == "deflate"
    assert record["origin"] == [place.c, place.f] and record["spacing"] == 10
    area = left, top - 960, left + 960, top
    covered = transform_bounds(crs, UTM31, *area, densify_pts=21)
    assert all(0 <= gap < 20 for gap in np.subtract(covered, bounds)[:2] - 9)
    assert all(0 <= gap < 20 for gap in np.subtract(bounds, covered)[2:] - 9)
    col, row = round((place.c - corner[0]) / 10), round((corner[1] - place.f) / 10)
    part = dn[row:, col:][: pixels.shape[1], : pixels.shape[2]].astype(int)
    expected = np.where(part == 0, 0, np.maximum(part - 1000, 1))
    np.testing.assert_array_equal(pixels, np.moveaxis(expected, -1, 0))


def test_nothing_is_made_up_beyond_the_edge_of_sentinel2(tmp_path, write_raster):
    dn = np.full((10, 10, 4), 900, np.uint16)
    s2 = write_raster("s2.tif", dn, spacing=10.0)
    xs = write_raster("xs.tif", np.ones((16, 16, 4), np.uint16), 6.0)
    info = describe(xs, "XS")
    job = DatasetJob(None, tmp_path, info, info, Sentinel2([[s2]]))
    job.write_own_grid(pyotb.Input(s2))
    assert job.entries["sentinel2_own_grid"]["size"] == [10, 10]
