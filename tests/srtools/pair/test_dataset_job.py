"""What lies beside the patches: Sentinel-2 on its own grid, displaced Spot images."""

import json

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds

import sr_dataset
from srtools.images.raster import describe
from srtools.options.dataset_options import Options
from srtools.pair.dataset_job import DatasetJob
from srtools.sentinel2.image import Sentinel2
from tests.conftest import UTM31
from tests.ground import measure

import pyotb


@pytest.mark.parametrize("crs", [UTM31, "EPSG:2154"])
def test_published_pixels_are_kept(tmp_path, write_raster, crs):
    """The published pixels less the offset, 0 stays 0, over Spot and 20 m more."""
    random = np.random.default_rng(5)
    dn = random.integers(900, 4000, (200, 200, 4)).astype(np.uint16)
    dn[:3] = 0
    corner = (451000.0, 5412900.0)
    tile = [
        write_raster(f"{band}.tif", dn[..., band], spacing=10.0, corner=corner)
        for band in range(4)
    ]
    left, top = (v[0] for v in transform(UTM31, crs, [451503.0], [5412493.0]))
    shape = {"corner": (left, top), "crs": crs}
    spot = random.integers(500, 900, (160, 160, 5)).astype(np.uint16)
    xs = write_raster("xs.tif", spot[..., :4], spacing=6.0, **shape)
    pan = write_raster(
        "pan.tif", spot[..., 4].repeat(4, 0).repeat(4, 1), spacing=1.5, **shape
    )
    out = tmp_path / "patches"
    options = Options(
        pan=pan,
        xs=xs,
        s2_images=tuple(tile),
        out_dir=str(out),
        offset=1000,
        accept_pair=True,  # of random pixels
        patch_size=16,
        split="interleaved",
    )
    sr_dataset.create_dataset(options)
    written = json.loads((out / "dataset.json").read_text())["sentinel2_own_grid"]
    with rasterio.open(out / "sentinel2.tif") as file:
        found, place = file.read(), file.transform
        assert file.crs == CRS.from_string(UTM31) and file.dtypes == ("uint16",) * 4
        assert file.compression.name == "deflate"
        assert written["origin"] == [place.c, place.f] and written["spacing"] == 10
        area = left, top - 960, left + 960, top
        covered = transform_bounds(crs, file.crs, *area, densify_pts=21)
        reached = file.bounds
    assert all(0 <= gap < 20 for gap in np.subtract(covered, reached)[:2] - 9)
    assert all(0 <= gap < 20 for gap in np.subtract(reached, covered)[2:] - 9)
    col, row = (
        round(v)
        for v in ~Affine(10, 0, corner[0], 0, -10, corner[1]) @ (place.c, place.f)
    )
    part = dn[row : row + found.shape[1], col : col + found.shape[2]].astype(int)
    expected = np.where(part == 0, 0, np.maximum(part - 1000, 1))
    np.testing.assert_array_equal(found, np.moveaxis(expected, -1, 0))


def test_nothing_is_made_up_beyond_the_edge_of_sentinel2(tmp_path, write_raster):
    dn = np.full((10, 10, 4), 900, np.uint16)
    s2 = write_raster("s2.tif", dn, spacing=10.0)
    xs = write_raster("xs.tif", np.ones((16, 16, 4), np.uint16), 6.0)
    info = describe(xs, "XS")
    job = DatasetJob(None, tmp_path, info, info, Sentinel2([[s2]]))
    job.write_own_grid(pyotb.Input(s2))
    assert job.entries["sentinel2_own_grid"]["size"] == [10, 10]


def test_displacing_spot_undoes_the_shift(scene, tmp_path):
    """The same blocks, read through a displaced grid."""
    xs, s2 = scene.spot(), scene.sentinel2((4.3, -3.1))
    info = describe(xs, "XS")
    job = DatasetJob(None, tmp_path, info, info, None)
    job.coregister(measure(xs, s2))
    moved = job.xs.path
    # The card keeps the place where the files lie: other exercises add the shift.
    assert job.entries["xs"] == info.record() != job.xs.record()
    assert np.hypot(*measure(moved, s2).shift) < 0.2
    assert (pyotb.Input(moved).to_numpy() == pyotb.Input(xs).to_numpy()).all()
    assert job.pan.transform == job.xs.transform
