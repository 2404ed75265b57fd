"""The check of exercise 5 passes a right image, and names each mistake."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window
from scipy.ndimage import gaussian_filter

from lesson.image_checks import check_image
from srtools.errors import SRError
from tests.lesson.zoom_models import save_zoom
from tests.rasters import write_geotiff, write_raster

import tensorflow as tf

OFFSET = 1000
CRS = "EPSG:32631"
# 100 x 120 pixels of 6 m, well inside the 120 x 140 pixels of 10 m.
WEST, NORTH = 500180, 4999820
ROWS, COLS = 100, 80
METHODS = "bilinear", "nearest"


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> tuple[Path, dict[str, Path], dict[str, np.ndarray]]:
    """Sentinel-2 with its offset, and by method models and right pixels [h, w, 4]."""
    folder = tmp_path_factory.mktemp("scene")
    noise = np.random.default_rng(0).normal(size=(120, 140, 4))
    levels = np.array([900, 1100, 700, 2800]) + OFFSET
    s2 = (levels + gaussian_filter(noise, (1.5, 1.5, 0)) * 600).astype(np.uint16)
    path = Path(write_raster(folder, "s2.tif", s2, 10, (500000, 5000000), CRS))
    lr = np.zeros((4, ROWS + 20, COLS + 20), np.float32)
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, [1, 2, 3, 4]),
            lr,
            dst_transform=Affine(6, 0, WEST - 60, 0, -6, NORTH + 60),
            dst_crs=CRS,
            resampling=Resampling.cubic,
        )
    dn = np.moveaxis(lr - OFFSET, 0, -1)[None]
    size = 4 * (ROWS + 20), 4 * (COLS + 20)
    answers = {m: tf.image.resize(dn, size, m).numpy()[0].round() for m in METHODS}
    models = {method: save_zoom(folder / method, method) for method in METHODS}
    return path, models, {m: x[40:-40, 40:-40] for m, x in answers.items()}


Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def check(scene, tmp_path):
    """Check the right image with its pixels or its place changed."""

    def check(change: Change = np.array, dtype="uint16", shift=(0, 0), **place):
        s2, models, pixels = scene
        method = place.pop("method", "bilinear")
        if place.pop("whole", False):  # Sentinel-2 ends where the image ends
            part = tmp_path / "part.tif"
            with rasterio.open(s2) as file:
                inner = file.read(window=Window(18, 18, 48, 60)).transpose(1, 2, 0)
            s2 = write_raster(tmp_path, part.name, inner, 10, (WEST, NORTH), CRS)
        pixels = change(pixels[method])
        corner = WEST + shift[0], NORTH + shift[1]
        transform = Affine(1.5, 0, corner[0], 0, -1.5, corner[1])
        options = {"transform": transform, "crs": CRS, **place}
        place = options.pop("transform") @ Affine.scale(options.pop("scale", 1))
        path = str(tmp_path / "sr.tif")
        write_geotiff(path, pixels.astype(dtype), place, **options)
        return check_image(Path(path), [Path(s2)], OFFSET, models[method])

    return check


def cut(rows: int, cols: int) -> dict:
    """Cut the image at a pixel, which is the corner of no lr pixel."""
    shift = 1.5 * cols, -1.5 * rows
    return {"change": lambda p: p[rows:, cols:], "shift": shift}


ROW, COL, _ = np.ogrid[: 4 * ROWS, : 4 * COLS, :1]
TILE = (abs(ROW - 120) < 50) & (abs(COL - 70) < 50)  # beside the middle
OUTSIDE = (ROW > 300) & (COL < 60)
RIGHT = {
    "as it is": {},
    "cut at odd pixels": cut(1, 3) | {"method": "nearest"},
    "65535 for no data": {
        "change": lambda p: np.where(OUTSIDE, 65535, p),
        "nodata": 65535,
    },
    "small": {"change": lambda p: p[:64, :64]},
    "all of Sentinel-2": {"whole": True},
}


@pytest.mark.parametrize("way", RIGHT)
def test_a_right_image_passes(check, way):
    report = check(**RIGHT[way])
    assert report.passed and len(report.lines) == 15, str(report)
    assert "own answer (0." in str(report)  # rounding alone, in DN


MISTAKES = {
    "floats": ({"dtype": "float32"}, "16 bits"),
    "three bands": ({"change": lambda p: p[..., :3]}, "four bands"),
    "pixels of 1 m": ({"scale": 2 / 3}, "1.5 m"),
    "another CRS": ({"crs": "EPSG:32632"}, "CRS of Sentinel-2"),
    "outside": ({"shift": (-5000, 0)}, "lies inside"),
    "half a pixel of 6 m off": ({"shift": (3, -3)}, "lies where Sentinel-2 lies"),
    "half a pixel off": ({"shift": (0.75, -0.75)}, "+0.75 m east, -0.75 m north"),
    "a pixel off": ({"shift": (-1.5, 0)}, "-1.50 m east, +0.00 m north"),
    "the offset is still there": ({"change": lambda p: p + OFFSET}, "as bright as"),
    "bands in disorder": ({"change": lambda p: p[..., [2, 1, 0, 3]]}, "as bright as"),
    "largely empty": ({"change": lambda p: p * (COL > 199)}, "has data"),
    "another model": ({"change": lambda p: p + 60}, "own answer"),
    "a part of a pixel off": ({"shift": (0.2, 0)}, "answer lies (+0.20 m east, +0.00"),
    "a tile of another model": (
        {"change": lambda p: np.where(TILE, p[::-1], p)},
        "least like Sentinel-2",
    ),
    "a bright tile": ({"change": lambda p: p + 60 * TILE}, "least like Sentinel-2"),
    "a tile missing": ({"change": lambda p: p * ~TILE}, "has data (93%; holes of 196"),
    "rows reversed": ({"change": lambda p: p[::-1]}, "shows the ground of Sentinel-2"),
    "south above": (
        {
            "change": lambda p: p[::-1],
            "transform": Affine(1.5, 0, WEST, 0, 1.5, NORTH - 600),
        },
        "pixels of 1.5 m (1.5 x 1.5)",
    ),
    "no georeference": ({"crs": None, "transform": Affine.identity()}, "the CRS of"),
    "a few pixels": ({"change": lambda p: p[:3, :5]}, "can be compared (5 x 3 pixels"),
    "reflectance in 16 bits": ({"change": lambda p: p // 1e4}, "has data (0%"),
    "resampled": (
        {"change": lambda p: (p + np.roll(p, 1, 0) + np.roll(p, 1, 1)) / 3},
        "answer lies",
    ),
    "a seam of columns": ({"change": lambda p: p + 15 * (COL > 199)}, "no column is"),
    "a seam of rows": ({"change": lambda p: p + 15 * (ROW > 199)}, "no row is"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(check, mistake):
    spoiled, words = MISTAKES[mistake]
    report = check(**spoiled)
    failed = [line.statement for line in report.failed if words in line.statement]
    assert failed, str(report)
    assert len(report.failed) == 1, str(report)
    assert "seam" not in mistake or " 200)" in failed[0]


def test_a_file_that_is_no_image_is_one_line(scene, tmp_path):
    s2, models, _ = scene
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(SRError, match="^an image cannot be read .*text.tif"):
        check_image(tmp_path / "text.tif", [s2], OFFSET, models["nearest"])


def test_another_number_of_bands_is_one_line(scene):
    s2, models, _ = scene
    with pytest.raises(SRError, match="have 12 bands of 1 sizes; B04, B03, B02, B08"):
        check_image(s2, [s2, s2, s2], OFFSET, models["nearest"])
