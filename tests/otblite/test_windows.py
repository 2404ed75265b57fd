"""What makes the engine fast must not change what it answers."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from otblite import files, image
from otblite.applications.patches import stack
from otblite.applications.resampling import (
    box_mean,
    pansharpen,
    sum_of_neighbours,
)
from otblite.image import Grid, Window, from_array
from otblite.warp import interpolate, resample
from rasterio.crs import CRS

import otbApplication

PLACE = Affine(1.5, 0, 452001, 0, -1.5, 5412003)


def grid(height, width, spacing=1.5):
    place = PLACE @ Affine.scale(spacing / 1.5)
    return Grid(CRS.from_epsg(32631), place, width, height)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 13])
def test_sum_of_neighbours_adds_each_line_once(count):
    lines = 2.0 ** np.arange(16)[:, None]  # each subset has a sum of its own
    expected = [lines[top : top + count].sum() for top in range(17 - count)]
    assert sum_of_neighbours(lines, count).ravel().tolist() == expected


@pytest.mark.parametrize("size", [(7, 7), (19, 19), (3, 5)])
def test_box_mean_of_zeros_beside_large_values_is_zero(size):
    values = np.zeros((60, 40), np.float32)
    values[:20] = 1e30
    assert (box_mean(values, size)[20:] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (3, 5), (19, 8)])
def test_box_mean_is_the_mean_of_each_box(size):
    values = np.random.default_rng(6).random((24, 21))
    boxes = np.lib.stride_tricks.sliding_window_view(values, size)
    np.testing.assert_allclose(box_mean(values, size), boxes.mean(axis=(2, 3)))


def test_pansharpening_reads_the_same_twice_and_leaves_its_inputs_alone():
    random = np.random.default_rng(1)
    pan_pixels = random.integers(0, 3000, (64, 48, 1)).astype(np.uint16)
    xs_pixels = random.integers(0, 3000, (16, 12, 4)).astype(np.uint16)
    pan = from_array(pan_pixels.copy(), grid(64, 48))
    xs = from_array(xs_pixels.copy(), grid(16, 12, 6.0))
    sharp = pansharpen(pan, resample(xs, pan.grid, "bco"), (3, 3))
    first, second = sharp.read_all(), sharp.read_all()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(pan.read_all(), pan_pixels)
    np.testing.assert_array_equal(xs.read_all(), xs_pixels)


def test_pansharpening_in_chunks_of_lines_is_that_of_one_chunk(monkeypatch):
    random = np.random.default_rng(2)
    pan = from_array(random.integers(0, 9, (50, 40, 1)).astype(np.uint16), grid(50, 40))
    xs = from_array(random.random((50, 40, 3), np.float32), pan.grid)

    def sharp():
        fresh = resample(xs, pan.grid, "nn")
        return pansharpen(pan, fresh, (2, 9)).read(Window(3, 4, 41, 30))

    whole = sharp()
    for samples in (1, 1000):
        monkeypatch.setattr("otblite.applications.resampling.CACHED_SAMPLES", samples)
        np.testing.assert_array_equal(sharp(), whole)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float64"])
def test_nearest_takes_pixels_of_any_type_as_they_are(dtype):
    pixels = np.arange(24).reshape(4, 6, 1).astype(dtype)
    rows = np.array([[-1.0], [0.49], [0.5], [9.0]])
    cols = np.array([[-3.0, 1.2, 4.7, 5.6]])
    found = interpolate(pixels, rows, cols, "nn")
    assert found.dtype == dtype
    expected = pixels[np.ix_([0, 0, 1, 3], [0, 1, 5, 5])]
    np.testing.assert_array_equal(found, expected)
    # The same when each position is given by itself, as with a change of CRS.
    anywhere = interpolate(pixels, *np.broadcast_arrays(rows, cols), "nn")
    np.testing.assert_array_equal(anywhere, expected)


def test_all_pixels_read_by_threads_are_those_of_one_window(monkeypatch):
    array = np.random.default_rng(3).random((333, 70, 2))
    seen = []

    def read(window):
        seen.append(threading.get_ident())
        return array[window.slices]

    lazy = image.Image(grid(333, 70), 2, array.dtype, read)
    monkeypatch.setattr(image, "CACHED_SAMPLES", 70 * 4 * 16)
    np.testing.assert_array_equal(lazy.read_all(), array)
    assert len(seen) == 21 and threading.get_ident() not in seen


def test_a_file_is_opened_once_for_all_threads(tmp_path, monkeypatch):
    path = str(tmp_path / "in.tif")
    pixels = np.random.default_rng(4).integers(0, 9999, (1, 400, 300), np.uint16)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=1,
        height=400,
        width=300,
        transform=PLACE,
        tiled=True,
        blockxsize=64,
        blockysize=64,
    ) as file:
        file.write(pixels)
    opened, really_open = [], files._open
    monkeypatch.setattr(
        files, "_open", lambda name: opened.append(name) or really_open(name)
    )
    source = files.open_image(path)
    windows = list(image.tiles(source.grid, 30, 300))
    # Twice through two pools, because each has threads of its own.
    for _ in range(2):
        parts = [part for _, part in image.in_order(source.read, windows)]
        np.testing.assert_array_equal(np.concatenate(parts)[..., 0], pixels[0])
    assert opened == [path]


@pytest.mark.parametrize(
    ("size", "bands", "lines"),
    # A strip is one patch, unless that would be larger than 4 MB.
    [(32, 4, 32), (128, 4, 128), (1024, 4, 1)],
)
def test_a_strip_of_a_patches_image_is_a_patch(tmp_path, size, bands, lines):
    source = from_array(np.ones((size, 2 * size, bands), np.uint16), grid(size, size))
    patches = stack(source, [Window(0, 0, size, size), Window(0, size, size, size)])
    path = str(tmp_path / "patches.tif")
    files.write(patches, path, np.dtype(np.uint16), 256, progress=False)
    with rasterio.open(path) as file:
        assert (file.height, file.width) == (2 * size, size)
        assert file.block_shapes[0] == (lines, size)
        assert (file.read() == 1).all()


def test_the_strip_height_that_the_user_asks_for_counts(tmp_path):
    source = from_array(np.ones((64, 32, 1), np.uint16), grid(64, 32))
    patches = stack(source, [Window(0, 0, 32, 32), Window(32, 0, 32, 32)])
    path = str(tmp_path / "patches.tif")
    name = f"{path}?&gdal:co:BLOCKYSIZE=16"
    files.write(patches, name, np.dtype(np.uint16), 256, progress=False)
    with rasterio.open(path) as file:
        assert file.block_shapes[0] == (16, 32)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 65535.0], [0, 65535]),
        ([0.9, 65535.4], [0, 65535]),
        ([-0.4, 7.9], [0, 7]),
        ([-5.0, 7.0], [0, 7]),
        ([7.0, 1e9], [7, 65535]),
        ([np.nan, 7.5], [0, 7]),
        ([np.nan, -1.0, 1e9], [0, 0, 65535]),
        ([-np.inf, np.inf], [0, 65535]),
    ],
)
def test_values_are_clamped_and_truncated(values, expected):
    pixels = np.array(values, np.float32)
    assert files.convert(pixels, np.dtype("uint16")).tolist() == expected


def test_gdal_keeps_as_much_as_the_user_says():
    code = "import os; from otblite import files; print(os.environ['GDAL_CACHEMAX'])"
    for given, expected in (({}, "128"), ({"GDAL_CACHEMAX": "7"}, "7")):
        others = {k: v for k, v in os.environ.items() if k != "GDAL_CACHEMAX"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**others, **given},
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == expected, done.stderr


def test_patches_in_the_file_are_the_pixels_of_the_image(tmp_path):
    """The whole path: lazy images, threads, strips, and back from the file."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 60000, (4, 200, 160), np.uint16)
    source = str(tmp_path / "in.tif")
    with rasterio.open(
        source,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=4,
        height=200,
        width=160,
        crs="EPSG:32631",
        transform=PLACE,
    ) as file:
        file.write(pixels)
    selection = otbApplication.Registry.CreateApplication("PatchesSelection")
    centres = str(tmp_path / "centres.geojson")
    for key, value in {
        "in": source,
        "grid.step": 16,
        "grid.psize": 16,
        "strategy": "all",
        "outtrain": centres,
    }.items():
        selection.SetParameterValue(key, value)
    selection.ExecuteAndWriteOutput()
    extraction = otbApplication.Registry.CreateApplication("PatchesExtraction")
    extraction.AddParameterStringList("source1.il", source)
    out = str(tmp_path / "patches.tif")
    for key, value in {
        "source1.patchsizex": 16,
        "source1.patchsizey": 16,
        "vec": centres,
        "field": "id",
    }.items():
        extraction.SetParameterValue(key, value)
    extraction.SetParameterString(
        "source1.out", f"{out}?&gdal:co:COMPRESS=DEFLATE&gdal:co:PREDICTOR=2"
    )
    extraction.SetParameterOutputImagePixelType(
        "source1.out", otbApplication.ImagePixelType_uint16
    )
    extraction.ExecuteAndWriteOutput()
    with rasterio.open(out) as file:
        found = file.read().reshape(4, -1, 16, 16)
    # Centre pixels are 9, 25...; a point at their lower left is in the next line.
    rows, cols = range(2, 200 - 16, 16), range(1, 160 - 16, 16)
    expected = [pixels[:, r : r + 16, c : c + 16] for r in rows for c in cols]
    np.testing.assert_array_equal(found, np.stack(expected, axis=1))
