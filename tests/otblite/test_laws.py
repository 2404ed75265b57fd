"""Laws of lazy images: a window is the same part of the whole image."""

import threading
import tracemalloc

import numpy as np
import pytest
from otblite.applications.bandmath import compute
from otblite.applications.resampling import pansharpen
from otblite.expressions import translate
from otblite.image import BYTES_PER_SAMPLE, WORKERS, Image, Window, strip_height
from otblite.warp import MOST_SAMPLES, resample
from rasterio.crs import CRS

from tests.otblite.images import grid, image, noise, samples, watched
from tests.otblite.pipelines import FOLDER, Scene, serve

import pyotb


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene("b")


def served(scene: Scene) -> pyotb.App:
    fields = {"efield": 4, "tile": 40, "output.spcscale": 0.25}
    return serve(FOLDER / "model", {"lr": (scene.sup, 17)}, ["hr_dn_crop32"], **fields)


NEIGHBOURHOODS = "mean(im1b1N5x3); var(im1b1N3x3); median(im1b1N3x3); vmax(im1b1N1x3)"
NEIGHBOURHOODS += "; im1b1Mean; im1b1Var; im1b1Maxi; im1b1Sum; idxX; idxY; im1PhyX"
IMAGES = {
    "file": lambda s: pyotb.Input(s.xs),
    "concatenated": lambda s: s.s2,
    "part": lambda s: pyotb.Input(s.xs)[5:40, 10:60, 1:3],
    "mosaic": lambda s: s.mosaic("north", "south"),
    "superimposed bco": lambda s: s.sup,
    "superimposed linear": lambda s: s.superimpose(interpolator="linear"),
    "superimposed nn": lambda s: s.superimpose(interpolator="nn"),
    "pansharpened": lambda s: s.pansharpen(),
    "operators": lambda s: pyotb.where(s.sup < 1001, 1, s.sup - 1000),
    "neighbourhoods": lambda s: pyotb.BandMathX(il=[s.xs], exp=NEIGHBOURHOODS),
    "served": served,
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_window_is_that_part_of_the_whole(scene, name):
    app = IMAGES[name](scene)
    lazy = app.app._image("out")
    whole = lazy.read_all()
    assert whole.std() > 0
    height, width = whole.shape[:2]
    random = np.random.default_rng(3)
    for _ in range(6):
        row, col = random.integers(height - 4), random.integers(width - 4)
        rows = random.integers(1, height - row + 1)
        cols = random.integers(1, width - col + 1)
        window = Window(int(row), int(col), int(rows), int(cols))
        part = lazy.read(window)
        np.testing.assert_allclose(part, whole[window.slices], rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("name", list(IMAGES)[3:])
@pytest.mark.parametrize("strips", [("stripped", 7), ("tiled", 33)])
def test_tiles_do_not_matter(scene, name, strips, tmp_path, pixels):
    app = IMAGES[name](scene)
    options = "streaming:type={}&streaming:sizemode=height&streaming:sizevalue={}"
    app.write(str(tmp_path / f"out.tif?&{options.format(*strips)}"), pixel_type="float")
    result, whole = pixels(tmp_path / "out.tif"), app.app._image("out").read_all()
    np.testing.assert_allclose(result, whole, rtol=1e-5, atol=2e-3)


def test_an_array_in_memory_is_an_image():
    array = np.arange(24.0).reshape(4, 3, 2)
    lazy = image(array)
    np.testing.assert_array_equal(lazy.read(Window(1, 1, 2, 2)), array[1:3, 1:3])
    padded = lazy.read_padded(Window(-1, -1, 6, 6))
    expected = np.pad(array, ((1, 1), (1, 2), (0, 0)), mode="edge")
    np.testing.assert_array_equal(padded, expected)
    with pytest.raises(ValueError, match="outside the image"):
        lazy.read_padded(Window(5, 5, 2, 2))


def test_all_pixels_read_by_threads_are_those_of_one_window(monkeypatch):
    array = np.random.default_rng(3).random((333, 70, 2))
    threads = []

    def read(window):
        threads.append(threading.get_ident())
        return array[window.slices]

    lazy = Image(grid(333, 70, 1.0), 2, array.dtype, read)
    monkeypatch.setattr("otblite.image.CACHED_SAMPLES", 70 * 4 * 16)
    np.testing.assert_array_equal(lazy.read_all(), array)
    assert len(threads) == 21 and threading.get_ident() not in threads


FINE, COARSE = noise(1024, 1536, 4, 1.5), noise(256, 384, 4, 6.0)
LAMBERT = noise(400, 700, 4, 6.0, (652100, 6861700), CRS.from_epsg(2154))
LARGE = {
    "finer": lambda: resample(COARSE, FINE.grid, "bco"),
    "coarser": lambda: resample(FINE, COARSE.grid, "nn"),
    "other CRS": lambda: resample(LAMBERT, FINE.grid, "bco"),
    "pansharpened": lambda: pansharpen(
        noise(1024, 1536, 1, 1.5), resample(COARSE, FINE.grid, "bco"), (9, 9)
    ),
    "operators": lambda: compute(
        [FINE],
        [translate(f"im1b{b} < 9 ? 1 : im1b{b} - 9", True)[0] for b in (1, 2, 3, 4)],
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_memory_of_a_window(name):
    """`strip_height` assumes 32 bytes a sample, and a little for the window itself."""
    lazy = LARGE[name]()
    height = strip_height(lazy, ram=40)
    window = Window(16, 0, height, lazy.grid.width)
    lazy.read(window)
    tracemalloc.start()
    lazy.read(window)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak * (WORKERS + 1) < 40 * 2**20
    assert peak < BYTES_PER_SAMPLE * height * lazy.grid.width * lazy.bands


def test_fine_source_is_read_in_parts():
    source, windows = watched(noise(1500, 2000, 1, 1.5))
    result = resample(source, noise(18, 24, 1, 120.0).grid, "nn").read_all()
    assert max(map(samples, windows)) <= MOST_SAMPLES < 1500 * 2000
    np.testing.assert_array_equal(result, source.read_all()[40:1480:80, 40:1960:80])
