"""Resampling and pansharpening beyond the answers of the real applications."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from otblite.applications.resampling import box_mean, pansharpen, sum_of_neighbours
from otblite.image import Grid, Window
from otblite.warp import interpolate, resample
from rasterio.crs import CRS

from tests.otblite.images import UTM31, grid, image, noise

import pyotb

LAMBERT = CRS.from_epsg(2154)
METHODS = ("bco", "linear", "nn")
LINE = image(np.array([[10, 20, 50, 30]], np.float32), 1.0, (0, 0))


def along(x: float, method: str, fill=-9.0) -> float:
    """Resample the line at one place, x in pixels from its left edge."""
    place = grid(1, 1, 1.0, (x - 0.5, 0))
    return resample(LINE, place, method, fill).read_all().item()


@pytest.mark.parametrize(
    ("method", "x", "expected"),
    [
        # Keys' kernel with a = -1/2 at a quarter: -9/128, 111/128, 29/128, -3/128.
        ("bco", 1.75, (-9 * 10 + 111 * 20 + 29 * 50 - 3 * 30) / 128),
        # The kernel reaches two pixels over the left edge: both are 10.
        ("bco", 0.25, ((-3 + 29 + 111) * 10 - 9 * 20) / 128),
        ("linear", 0.75, 12.5),
        ("nn", 1.0, 20),  # the larger index on the edge
        # ITK's buffer holds its left edge, not its right one.
        *((method, x, -9) for method in METHODS for x in (-0.01, 4, 9e5)),
        *((method, 3.99, 30) for method in METHODS[1:]),
        *((method, 0, 10) for method in METHODS[1:]),
    ],
)
def test_by_hand(method, x, expected):
    assert along(x, method) == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_upside_down_grid(method):
    """A positive pixel height (south up) is a grid like any other."""
    array = np.arange(12, dtype=np.float32).reshape(4, 3, 1)
    flipped = Grid(UTM31, Affine(2, 0, 0, 0, 2, -8), 3, 4)
    result = resample(image(array, 2.0, (0, 0)), flipped, method).read_all()
    np.testing.assert_array_equal(result, array[::-1])


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


def test_no_crs_at_all_means_plain_coordinates():
    array = np.arange(20, dtype=np.float32).reshape(4, 5, 1)
    part = grid(2, 2, 2.0, (4, -2), crs=None)
    result = resample(image(array, 2.0, (0, 0), None), part, "bco").read_all()
    np.testing.assert_array_equal(result, array[1:3, 2:4])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float64"])
def test_nearest_takes_pixels_of_any_type_as_they_are(dtype):
    pixels = np.arange(24).reshape(4, 6, 1).astype(dtype)
    rows = np.array([[-1.0], [0.49], [0.5], [9.0]])
    cols = np.array([[-3.0, 1.2, 4.7, 5.6]])
    expected = pixels[np.ix_([0, 0, 1, 3], [0, 1, 5, 5])]
    # Rows and columns as vectors, or as one array each after a change of CRS.
    for axes in ((rows, cols), np.broadcast_arrays(rows, cols)):
        result = interpolate(pixels, *axes, "nn")
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 13])
def test_sum_of_neighbours_adds_each_line_once(count):
    lines = 2.0 ** np.arange(16)[:, None]  # no two subsets have one sum
    expected = [lines[top : top + count].sum() for top in range(17 - count)]
    assert sum_of_neighbours(lines, count).ravel().tolist() == expected


@pytest.mark.parametrize("size", [(7, 7), (19, 19), (3, 5)])
def test_box_mean_of_zeros_beside_large_values_is_zero(size):
    """Running sums would leave a residue there, and a ratio of 0."""
    values = np.zeros((60, 40), np.float32)
    values[:20] = 1e30
    assert (box_mean(values, size)[20:] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (3, 5), (19, 8)])
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


def test_pan_of_two_bands_is_refused(write_raster):
    two = write_raster("two.tif", np.ones((4, 4, 2)))
    words = "BundleToPerfectSensor: 'inp' .* 1 band.* 2"
    with pytest.raises(RuntimeError, match=words):
        pyotb.BundleToPerfectSensor(inp=two, inxs=two)
