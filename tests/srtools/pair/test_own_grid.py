"""Sentinel-2 on its own grid, as exercise 1 keeps it."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds

from srtools.images.raster import describe
from srtools.pair import own_grid

import pyotb

UTM31 = "EPSG:32631"


@pytest.mark.parametrize("crs", [UTM31, "EPSG:2154"])
def test_the_pixels_over_spot_and_20_m_more_are_kept(tmp_path, write_raster, crs):
    dn = np.random.default_rng(0).integers(1, 4000, (200, 200, 4)).astype(np.uint16)
    dn[:3] = 0
    corner = (451000.0, 5412900.0)
    s2 = write_raster("s2.tif", dn, spacing=10.0, corner=corner)
    left, top = (v[0] for v in transform(UTM31, crs, [451503.0], [5412493.0]))
    shape = {"corner": (left, top), "crs": crs}
    xs = write_raster("xs.tif", np.ones((160, 160, 4), np.uint16), 6.0, **shape)
    out = tmp_path / "out"
    out.mkdir()
    record = own_grid.keep(
        out, pyotb.Input(s2), s2, describe(xs, "XS"), "gdal:co:COMPRESS=DEFLATE"
    )
    with rasterio.open(out / "sentinel2.tif") as file:
        found, place, reached = file.read(), file.transform, file.bounds
        assert file.crs == CRS.from_string(UTM31) and file.dtypes == ("uint16",) * 4
        assert file.compression.name == "deflate"
    assert record["origin"] == [place.c, place.f] and record["spacing"] == 10
    assert record["path"] == "sentinel2.tif"
    bounds = (left, top - 960, left + 960, top)
    covered = transform_bounds(crs, UTM31, *bounds, densify_pts=21)
    # Up to 20 m beyond: the centres of the outermost pixels lie within.
    assert all(0 <= gap < 20 for gap in np.subtract(covered, reached)[:2] - 9)
    assert all(0 <= gap < 20 for gap in np.subtract(reached, covered)[2:] - 9)
    col, row = (
        round(v)
        for v in ~Affine(10, 0, corner[0], 0, -10, corner[1]) @ (place.c, place.f)
    )
    part = dn[row : row + found.shape[1], col : col + found.shape[2]]
    np.testing.assert_array_equal(found, np.moveaxis(part, -1, 0))


def test_nothing_is_made_up_beyond_the_edge_of_sentinel2(tmp_path, write_raster):
    dn = np.full((10, 10, 4), 900, np.uint16)
    s2 = write_raster("s2.tif", dn, spacing=10.0)
    xs = write_raster("xs.tif", np.ones((16, 16, 4), np.uint16), 6.0)
    record = own_grid.keep(tmp_path, pyotb.Input(s2), s2, describe(xs, "XS"), "")
    assert record["size"] == [10, 10]
