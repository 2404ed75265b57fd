"""What holds for every lazy image: a window of it is that part of the whole."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from otblite import files
from otblite.applications.bandmath import compute
from otblite.applications.resampling import pansharpen
from otblite.expressions import translate
from otblite.image import (
    BYTES_PER_SAMPLE,
    WORKERS,
    Grid,
    Image,
    Window,
    from_array,
    strip_height,
    tiles,
)
from otblite.warp import MOST_SAMPLES, resample
from rasterio.crs import CRS

import pyotb

INPUTS = Path(__file__).parent / "conformance" / "b" / "in"
MODEL = Path(__file__).parent / "conformance" / "model"
BANDS = [str(INPUTS / f"{band}.tif") for band in ("B04", "B03", "B02", "B08")]
XS, PAN = str(INPUTS / "xs.tif"), str(INPUTS / "pan.tif")


def superimpose(method: str = "bco") -> pyotb.App:
    stacked = pyotb.ConcatenateImages(il=BANDS)
    return pyotb.Superimpose(inr=XS, inm=stacked, interpolator=method)


def mosaic() -> pyotb.App:
    parts = [
        pyotb.ConcatenateImages(
            il=[str(INPUTS / f"{p}_{b}.tif") for b in ("B04", "B08")]
        )
        for p in ("north", "south")
    ]
    return pyotb.Mosaic(il=parts)


def served() -> pyotb.App:
    return pyotb.TensorflowModelServe(
        {
            "source1.il": [superimpose()],
            "source1.rfieldx": 17,
            "source1.rfieldy": 17,
            "source1.placeholder": "lr",
            "model.dir": str(MODEL),
            "model.fullyconv": True,
            "output.names": ["hr_dn_crop32"],
            "output.efieldx": 4,
            "output.efieldy": 4,
            "output.spcscale": 0.25,
            "optim.tilesizex": 40,
            "optim.tilesizey": 40,
        },
        n_sources=1,
    )


IMAGES = {
    "file": lambda: pyotb.Input(XS),
    "concatenated": lambda: pyotb.ConcatenateImages(il=BANDS),
    "part": lambda: pyotb.Input(XS)[5:40, 10:60, 1:3],
    "mosaic": mosaic,
    "superimposed bco": superimpose,
    "superimposed linear": lambda: superimpose("linear"),
    "superimposed nn": lambda: superimpose("nn"),
    "pansharpened": lambda: pyotb.BundleToPerfectSensor(inp=PAN, inxs=XS),
    "operators": lambda: pyotb.where(superimpose() < 1001, 1, superimpose() - 1000),
    "served": served,
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_window_is_that_part_of_the_whole(name):
    app = IMAGES[name]()
    image = app.app._image("out")
    whole = image.read_all()
    assert whole.std() > 0
    height, width = whole.shape[:2]
    random = np.random.default_rng(3)
    for _ in range(6):
        row, col = random.integers(height - 4), random.integers(width - 4)
        rows = random.integers(1, height - row + 1)
        cols = random.integers(1, width - col + 1)
        window = Window(int(row), int(col), int(rows), int(cols))
        part = image.read(window)
        np.testing.assert_allclose(part, whole[window.slices], rtol=1e-5, atol=2e-3)


def test_tiles_cut_a_grid_without_gap_or_overlap():
    grid = Grid(None, Affine.identity(), 23, 17)
    seen = np.zeros((17, 23), int)
    for tile in tiles(grid, 5, 7):
        seen[tile.slices] += 1
    assert (seen == 1).all()


def test_extracted_patches_are_what_they_were_cut_from(tmp_path):
    """Written around the centres of a grid, patches fit back into the image."""
    lr = superimpose()
    centres = str(tmp_path / "centres.geojson")
    pyotb.PatchesSelection(
        {
            "in": lr,
            "grid.step": 8,
            "grid.psize": 8,
            "strategy": "all",
            "outtrain": centres,
        }
    )
    extraction = pyotb.PatchesExtraction(
        {
            "source1.il": [lr],
            "source1.patchsizex": 8,
            "source1.patchsizey": 8,
            "vec": centres,
            "field": "id",
            "source1.out": str(tmp_path / "patches.tif"),
        },
        n_sources=1,
    )
    assert extraction.app.GetImageSize("source1.out")[0] == 8
    patches = pyotb.Input(str(tmp_path / "patches.tif")).to_numpy().reshape(-1, 8, 8, 4)
    image = lr.to_numpy()
    columns = len(range(5, image.shape[1] - 4, 8))
    for index in (0, 1, columns, len(patches) - 1):
        row, col = 2 + 8 * (index // columns), 1 + 8 * (index % columns)
        np.testing.assert_allclose(patches[index], image[row : row + 8, col : col + 8])


def test_memory_follows_the_window_and_not_the_image(tmp_path):
    """Of an image that is far too large, no window exceeds what `ram` allows."""
    grid = Grid(CRS.from_epsg(32631), Affine(1, 0, 0, 0, -1, 0), 20000, 3000)
    largest = 0

    def read(window: Window) -> np.ndarray:
        nonlocal largest
        largest = max(largest, window.height * window.width)
        return np.zeros((window.height, window.width, 1), np.float32)

    image = Image(grid, 1, np.dtype(np.float32), read)
    out = str(tmp_path / "large.tif?&gdal:co:SPARSE_OK=TRUE")
    files.write(image, out, np.dtype(np.uint8), ram=64, progress=False)
    assert 0 < largest * 4 <= 64 * 2**20 / 3


def test_an_array_in_memory_is_an_image():
    array = np.arange(24.0).reshape(4, 3, 2)
    image = from_array(array, Grid(None, Affine.identity(), 3, 4))
    np.testing.assert_array_equal(image.read(Window(1, 1, 2, 2)), array[1:3, 1:3])
    padded = image.read_padded(Window(-1, -1, 3, 3))
    np.testing.assert_array_equal(padded[0, 0], array[0, 0])
    np.testing.assert_array_equal(padded[1:, 1:], array[:2, :2])


@pytest.mark.parametrize(
    "name", ["mosaic", "superimposed bco", "pansharpened", "operators", "served"]
)
@pytest.mark.parametrize("strips", [("stripped", 7), ("tiled", 33)])
def test_tiles_do_not_matter(name, strips, tmp_path, pixels):
    """The windows in which an image is written cannot be seen in it."""
    app = IMAGES[name]()
    options = "streaming:type={}&streaming:sizemode=height&streaming:sizevalue={}"
    app.write(str(tmp_path / f"out.tif?&{options.format(*strips)}"), pixel_type="float")
    found, whole = pixels(tmp_path / "out.tif"), app.app._image("out").read_all()
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=2e-3)


def noise(height: int, width: int, bands: int, spacing: float, epsg=32631) -> Image:
    corner = {32631: (452000, 5412000), 2154: (652200, 6861200)}[epsg]
    transform = Affine(spacing, 0, corner[0], 0, -spacing, corner[1])
    values = np.random.default_rng(0).integers(1, 4000, (height, width, bands))
    grid = Grid(CRS.from_epsg(epsg), transform, width, height)
    return from_array(values.astype(np.uint16), grid)


FINE, COARSE = noise(1024, 1536, 4, 1.5), noise(256, 384, 4, 6.0)
LARGE = {
    "finer": lambda: resample(COARSE, FINE.grid, "bco"),
    "coarser": lambda: resample(FINE, COARSE.grid, "nn"),
    "other CRS": lambda: resample(noise(400, 700, 4, 6.0, 2154), FINE.grid, "bco"),
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
    """What `strip_height` counts with: 32 bytes a sample and a little for itself."""
    image = LARGE[name]()
    height = strip_height(image, ram=40)
    window = Window(16, 0, height, image.grid.width)
    image.read(window)
    tracemalloc.start()
    image.read(window)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak * (WORKERS + 1) < 40 * 2**20
    assert peak < BYTES_PER_SAMPLE * height * image.grid.width * image.bands


def test_fine_source_is_read_in_parts():
    """Many source pixels for one of the result: never too many at once."""
    source = noise(1500, 2000, 1, 1.5)
    largest = 0

    def read(window: Window) -> np.ndarray:
        nonlocal largest
        largest = max(largest, window.height * window.width)
        return source.read(window)

    grid = noise(18, 24, 1, 120.0).grid
    image = Image(source.grid, 1, source.dtype, read)
    found = resample(image, grid, "nn").read_all()
    assert largest <= MOST_SAMPLES < 1500 * 2000
    np.testing.assert_array_equal(found, source.read_all()[40:1480:80, 40:1960:80])
