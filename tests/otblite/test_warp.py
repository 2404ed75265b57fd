"""Resampling and pansharpening against numbers worked out by hand or by PROJ."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from otblite.applications.resampling import box_mean, pansharpen
from otblite.image import Grid, Image, Window, from_array
from otblite.warp import resample
from rasterio.crs import CRS
from rasterio.warp import transform

import pyotb

UTM31, LAMBERT = CRS.from_epsg(32631), CRS.from_epsg(2154)
METHODS = ("bco", "linear", "nn")


def grid(height, width, res, x=0.0, y=0.0, crs=UTM31) -> Grid:
    """A grid whose upper left corner is (x, y)."""
    return Grid(crs, Affine(res, 0, x, 0, -res, y), width, height)


def line(values, res=1.0) -> Image:
    """An image of one line."""
    array = np.asarray(values, np.float32).reshape(1, -1, 1)
    return from_array(array, grid(1, array.shape[1], res))


def along(image: Image, x: float, method: str, fill=-9.0) -> float:
    """Resample a line at one place, x in pixels from its left edge."""
    one = grid(1, 1, 1.0, x=x - 0.5)
    return resample(image, one, method, fill).read_all().item()


def test_cubic_convolution_by_hand():
    """Keys' kernel with a = -1/2 at a quarter: -9/128, 111/128, 29/128, -3/128."""
    values = (10.0, 20.0, 50.0, 30.0)
    expected = (-9 * 10 + 111 * 20 + 29 * 50 - 3 * 30) / 128
    assert along(line(values), 1.75, "bco") == pytest.approx(expected)


def test_border_pixels_are_replicated():
    """At x = 0.25 the kernel reaches two pixels over the left edge: both are 10."""
    values = (10.0, 20.0, 50.0, 30.0)
    expected = ((-3 + 29 + 111) * 10 - 9 * 20) / 128
    assert along(line(values), 0.25, "bco") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.5, 10), (0.75, 12.5), (1.0, 15), (0.1, 10), (3.9, 30)]
)
def test_linear_by_hand(x, expected):
    assert along(line((10, 20, 50, 30)), x, "linear") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.2, 10), (0.99, 10), (1.0, 20), (3.99, 30)]
)
def test_nearest_takes_the_larger_index_on_the_edge(x, expected):
    assert along(line((10, 20, 50, 30)), x, "nn") == expected


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("x", "inside"), [(-0.01, 0), (0, 1), (3.99, 1), (4, 0)])
def test_footprint_is_open_on_the_right(method, x, inside):
    """ITK's buffer holds its left and upper edge, not its right and lower one."""
    assert (along(line((10, 20, 50, 30)), x, method) != -9) == inside


@pytest.mark.parametrize("method", METHODS)
def test_own_grid_changes_nothing(method):
    array = np.random.default_rng(0).normal(size=(9, 7, 3)).astype(np.float32)
    image = from_array(array, grid(9, 7, 6.0))
    np.testing.assert_array_equal(resample(image, image.grid, method).read_all(), array)


@pytest.mark.parametrize("method", ("bco", "linear"))
@pytest.mark.parametrize("res", (1.5, 7.0))
def test_a_plane_stays_a_plane(method, res):
    """Both kernels reproduce straight lines, enlarging or (unfiltered) reducing."""
    rows, cols = np.mgrid[:40, :40].astype(np.float32)
    image = from_array((3 * rows - 2 * cols)[:, :, None], grid(40, 40, 3.0))
    target = grid(int(90 / res), int(90 / res), res, x=10.0, y=-10.0)
    found = resample(image, target, method).read_all()[:, :, 0]
    at = (10 + res * (np.arange(found.shape[0]) + 0.5)) / 3 - 0.5
    np.testing.assert_allclose(found, 3 * at[:, None] - 2 * at, atol=1e-4)


def test_all_outside_is_fill():
    far = grid(5, 4, 1.0, x=1e7)
    found = resample(line((1, 2)), far, "bco", 7).read_all()
    np.testing.assert_array_equal(found, np.full((5, 4, 1), 7))


def test_upside_down_grid():
    """A positive pixel height (south up) is a grid like any other."""
    array = np.arange(12, dtype=np.float32).reshape(4, 3, 1)
    image = from_array(array, grid(4, 3, 2.0))
    flipped = Grid(UTM31, Affine(2, 0, 0, 0, 2, -8), 3, 4)
    for method in METHODS:
        found = resample(image, flipped, method).read_all()
        np.testing.assert_array_equal(found, array[::-1])


def coordinates(target: Grid) -> Image:
    """An image in Lambert-93 whose bands are the column and row of each pixel."""
    xs, ys = transform(target.crs, LAMBERT, *np.transpose([target.transform @ (0, 0)]))
    rows, cols = np.mgrid[:400, :2200].astype(np.float32)
    source = Grid(LAMBERT, Affine(6, 0, xs[0] - 600, 0, -6, ys[0] + 1200), 2200, 400)
    return from_array(np.stack([cols, rows], axis=-1), source)


def test_other_crs_is_exact_everywhere():
    """A wide window: positions must not be interpolated between its two ends.

    There the error would be 0.03 pixels in the middle of this one.
    """
    target = grid(64, 2000, 6.0, x=452300.0, y=5411200.0)
    image = coordinates(target)
    found = resample(image, target, "linear").read_all()
    for row, col in ((0, 0), (13, 1000), (40, 1501), (63, 1999)):
        x, y = target.transform @ (col + 0.5, row + 0.5)
        xs, ys = transform(UTM31, LAMBERT, [x], [y])
        expected = np.subtract(~image.grid.transform @ (xs[0], ys[0]), 0.5)
        np.testing.assert_allclose(found[row, col], expected, atol=2e-4)


@pytest.mark.parametrize("method", METHODS)
def test_other_crs_fills_outside(method):
    target = grid(50, 60, 60.0, x=452300.0, y=5411200.0)
    found = resample(coordinates(target), target, method, -1).read_all()
    assert (found == -1).all(axis=2).any()
    np.testing.assert_array_equal((found == -1).all(axis=2), (found[..., 0] == -1))
    inside = found[found[..., 0] != -1]
    assert inside.min() >= 0 and inside[:, 0].max() <= 2199


def test_a_grid_where_the_crs_is_not_defined():
    """Far away PROJ gives odd numbers, which are outside, or none at all."""
    source = from_array(np.ones((20, 20, 1), np.float32), grid(20, 20, 1e5, y=1e6))
    world = Grid(CRS.from_epsg(3857), Affine(1e7, 0, -1e8, 0, -1e7, 1e9), 20, 200)
    found = resample(source, world, "bco", 5.0).read_all()
    assert (np.isclose(found, 1) | (found == 5)).all()

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
    image = from_array(array, grid(4, 5, 2.0, crs=None))
    part = grid(2, 2, 2.0, x=4.0, y=-2.0, crs=None)
    found = resample(image, part, "bco").read_all()
    np.testing.assert_array_equal(found, array[1:3, 2:4])


def test_nodata_tag_is_only_a_label(write_raster):
    """OTB does not leave such pixels out, and calls the result as its source."""
    values = np.array([[5, 100], [100, 100]], np.uint16)
    name = write_raster("tagged.tif", values, nodata=5)
    app = pyotb.Superimpose(inr=name, inm=name)
    np.testing.assert_array_equal(app.to_numpy()[:, :, 0], values)
    between = grid(1, 1, 6.0, x=452004.0, y=5412000.0)
    image = app.app._image("out")
    assert image.nodata == 5
    assert resample(image, between, "linear").read_all() == pytest.approx(76.25)


def test_box_mean_by_hand():
    values = np.arange(20.0).reshape(4, 5)
    np.testing.assert_allclose(box_mean(values, (3, 3)), [[6, 7, 8], [11, 12, 13]])


def test_box_mean_of_zeros_is_exactly_zero():
    """Running sums would leave a residue behind large values, and a ratio of 0."""
    values = np.zeros((9, 30), np.float32)
    values[:, :10] = np.random.default_rng(0).uniform(0.1, 9e4, (9, 10))
    assert (box_mean(values, (7, 7))[:, 10:] == 0).all()


def pan(values) -> Image:
    values = np.asarray(values, np.float32)
    return from_array(values[:, :, None], grid(*values.shape, 1.5))


def test_pansharpen_by_hand():
    """PAN 98 in the middle of ones: its 7 x 7 mean is (98 + 48) / 49."""
    values = np.ones((15, 15))
    values[7, 7] = 98
    image = pan(values)
    xs = from_array(np.full((15, 15, 2), 10, np.float32), image.grid)
    found = pansharpen(image, xs, (3, 3)).read_all()
    mean = (98 + 48) / 49
    np.testing.assert_allclose(found[7, 7], 10 * 98 / mean, rtol=1e-6)
    np.testing.assert_allclose(found[4, 10], 10 / mean, rtol=1e-6)
    np.testing.assert_allclose(found[3, 7], 10, rtol=1e-6)


def test_pansharpen_replicates_the_border():
    """In the corner 16 of the 49 pixels of the mean are the corner pixel itself."""
    values = np.ones((10, 10))
    values[0, 0] = 50
    image = pan(values)
    xs = from_array(np.ones((10, 10, 1), np.float32), image.grid)
    mean = (16 * 50 + 33) / 49
    assert pansharpen(image, xs, (3, 3)).read_all()[0, 0, 0] == pytest.approx(50 / mean)


def test_pansharpen_where_pan_is_empty():
    """Where the mean is 0 the ratio is 1."""
    image = pan(np.zeros((10, 10)))
    xs = from_array(np.full((10, 10, 1), 7, np.float32), image.grid)
    found = pansharpen(image, xs, (3, 3)).read_all()
    np.testing.assert_array_equal(found, xs.read_all())


def test_fill_value_is_not_pansharpened():
    """OTB takes an XS value of `fv` for missing, outside XS and within, per band."""
    values = np.random.default_rng(0).uniform(1, 100, (16, 16))
    colours = np.random.default_rng(1).uniform(10, 20, (16, 16, 2)).astype(np.float32)
    colours[4, 4, 0] = 5
    image = pan(values)
    xs = from_array(colours, image.grid)
    found = pansharpen(image, xs, (3, 3), fill=5.0).read_all()
    ratio = found[:, :, 1] / colours[:, :, 1]
    assert found[4, 4, 0] == 5 and found[4, 4, 1] != 5
    np.testing.assert_allclose(
        found[5, 5, 0], colours[5, 5, 0] * ratio[5, 5], rtol=1e-6
    )


def test_pan_of_two_bands_is_refused(write_raster):
    two = write_raster("two.tif", np.ones((4, 4, 2)))
    with pytest.raises(
        RuntimeError, match="BundleToPerfectSensor: 'inp' .* 1 band.* 2"
    ):
        pyotb.BundleToPerfectSensor(inp=two, inxs=two)


def test_padding_far_outside_says_so():
    with pytest.raises(ValueError, match="outside the image"):
        line((1, 2)).read_padded(Window(5, 5, 2, 2))
