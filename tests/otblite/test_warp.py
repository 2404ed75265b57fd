"""Resampling and pansharpening beyond the answers of the real applications."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from otblite.applications.resampling import box_mean, pansharpen
from otblite.image import Grid, Window
from otblite.warp import resample
from rasterio.crs import CRS

from tests.otblite.images import UTM31, image, noise

import pyotb

LAMBERT = CRS.from_epsg(2154)


def test_a_grid_where_the_crs_is_not_defined():
    """Far away PROJ returns odd positions, which are outside, or none."""
    source = image(np.ones((20, 20), np.float32), 1e5, (0, 1e6))
    world = Grid(CRS.from_epsg(3857), Affine(1e7, 0, -1e8, 0, -1e7, 1e9), 20, 200)
    result = resample(source, world, "bco", 5.0).read_all()
    assert (np.isclose(result, 1) | (result == 5)).all()

    nowhere = Grid(UTM31, Affine(1, 0, 1e9, 0, -1, 1e9), 2, 2)
    france = replace(source, grid=replace(source.grid, crs=LAMBERT))
    with pytest.raises(ValueError, match="cannot be converted from EPSG:32631"):
        resample(france, nowhere, "bco").read_all()


@pytest.mark.parametrize("missing", ["inr", "inm"])
def test_one_crs_missing_is_refused(missing, write_raster):
    crs = {"inr": "EPSG:32631", "inm": "EPSG:32631", missing: None}
    names = {
        key: write_raster(f"{key}.tif", np.ones((4, 4)), crs=crs[key]) for key in crs
    }
    with pytest.raises(RuntimeError, match="Superimpose: one image has no CRS.*32631"):
        pyotb.Superimpose(**names)


@pytest.mark.parametrize("size", [(7, 7), (19, 19), (3, 5)])
def test_box_mean_of_zeros_beside_large_values_is_zero(size):
    """Running sums would leave a residue there, and a ratio of 0."""
    values = np.zeros((60, 40), np.float32)
    values[:20] = 1e30
    assert (box_mean(values, size)[20:] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (3, 5), (13, 8), (19, 2)])
def test_box_mean_is_the_mean_of_each_box(size):
    values = np.random.default_rng(6).random((24, 21))
    boxes = np.lib.stride_tricks.sliding_window_view(values, size)
    np.testing.assert_allclose(box_mean(values, size), boxes.mean(axis=(2, 3)))


def test_pansharpening_in_chunks_of_lines_is_that_of_one_chunk(monkeypatch):
    """Its inputs stay as they are."""
    pan, xs = noise(50, 40, 1, 1.5), noise(50, 40, 3, 1.5)

    def sharp():
        fresh = resample(xs, pan.grid, "nn")
        return pansharpen(pan, fresh, (2, 9)).read(Window(3, 4, 41, 30))

    whole = sharp()
    for samples in (1, 1000):
        monkeypatch.setattr("otblite.applications.resampling.CACHED_SAMPLES", samples)
        np.testing.assert_array_equal(sharp(), whole)
