"""The check of exercise 5 passes a right image, and names each mistake."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject
from scipy.ndimage import gaussian_filter

from lesson.whole_image import check_image
from srtools.errors import SRError
from tests.lesson.served_models import Zoom, save

import tensorflow as tf

OFFSET = 1000
CRS = "EPSG:32631"
S2_PLACE = Affine(10, 0, 500000, 0, -10, 5000000)
# 100 x 120 pixels of 6 m, well inside the 100 x 120 pixels of 10 m.
PLACE = Affine(1.5, 0, 500180, 0, -1.5, 4999820)
ROWS, COLS = 100, 80


@dataclass(frozen=True)
class Made:
    """An image as exercise 5 writes it."""

    pixels: np.ndarray
    place: Affine = PLACE
    crs: str = CRS
    dtype: str = "uint16"

    def write(self, path: Path) -> Path:
        bands, height, width = self.pixels.shape
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=bands,
            height=height,
            width=width,
            dtype=self.dtype,
            crs=self.crs,
            transform=self.place,
        ) as file:
            file.write(self.pixels.astype(self.dtype))
        return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Sentinel-2 with its offset, a model, and the right image."""
    folder = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 120, 140))
    levels = np.array([900, 1100, 700, 2800]).reshape(4, 1, 1)
    s2 = levels + gaussian_filter(noise, (0, 1.5, 1.5)) * 600 + OFFSET
    path = folder / "s2.tif"
    Made(s2, S2_PLACE).write(path)
    model = save(folder / "model", Zoom())
    lr = np.zeros((4, ROWS + 20, COLS + 20), np.float32)
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, [1, 2, 3, 4]),
            lr,
            dst_transform=PLACE @ Affine.scale(4) @ Affine.translation(-10, -10),
            dst_crs=CRS,
            resampling=Resampling.cubic,
        )
    given = np.moveaxis(lr - OFFSET, 0, -1)[None]
    answer = tf.image.resize(given, (4 * (ROWS + 20), 4 * (COLS + 20))).numpy()[0]
    right = np.moveaxis(answer[40:-40, 40:-40], -1, 0).round()
    return path, model, Made(right)


def check(scene, made, tmp_path):
    s2, model, _ = scene
    return check_image(made.write(tmp_path / "sr.tif"), [s2], OFFSET, model)


def test_a_right_image_passes(scene, tmp_path):
    report = check(scene, scene[2], tmp_path)
    assert report.passed and len(report.lines) == 11, str(report)


def changed(made: Made, change) -> Made:
    pixels = made.pixels.copy()
    return replace(made, pixels=change(pixels))


def with_seam(axis: int):
    def change(pixels):
        part = [slice(None)] * 3
        part[axis] = slice(200, None)
        pixels[tuple(part)] += 15
        return pixels

    return change


def half_empty(pixels):
    pixels[:, :, : 4 * COLS * 3 // 5] = 0
    return pixels


MISTAKES = {
    "floats": (lambda m: replace(m, dtype="float32"), "16 bits"),
    "three bands": (lambda m: changed(m, lambda p: p[:3]), "four bands"),
    "pixels of 1 m": (
        lambda m: replace(m, place=Affine(1, 0, PLACE.c, 0, -1, PLACE.f)),
        "1.5 m",
    ),
    "another CRS": (lambda m: replace(m, crs="EPSG:32632"), "CRS of Sentinel-2"),
    "outside": (
        lambda m: replace(m, place=Affine.translation(-5000, 0) @ m.place),
        "lies inside",
    ),
    "half a pixel of 6 m off": (
        lambda m: replace(m, place=Affine.translation(3, -3) @ m.place),
        "lies where Sentinel-2 lies",
    ),
    "the offset is still there": (
        lambda m: changed(m, lambda p: p + OFFSET),
        "as bright as",
    ),
    "bands in another order": (
        lambda m: changed(m, lambda p: p[[2, 1, 0, 3]]),
        "as bright as",
    ),
    "largely empty": (lambda m: changed(m, half_empty), "has data"),
    "another model": (lambda m: changed(m, lambda p: p + 60), "own answer"),
    "a seam between columns": (lambda m: changed(m, with_seam(2)), "no column is"),
    "a seam between rows": (lambda m: changed(m, with_seam(1)), "no row is"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(scene, mistake, tmp_path):
    spoil, words = MISTAKES[mistake]
    report = check(scene, spoil(scene[2]), tmp_path)
    assert any(words in line.what for line in report.failed), str(report)


def test_the_place_of_a_seam_is_told(scene, tmp_path):
    report = check(scene, changed(scene[2], with_seam(2)), tmp_path)
    assert len(report.failed) == 1, str(report)
    assert "after column 200)" in report.failed[0].what


def test_a_file_that_is_no_image_is_one_line(scene, tmp_path):
    s2, model, _ = scene
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(SRError, match="^an image cannot be read .*text.tif"):
        check_image(tmp_path / "text.tif", [s2], OFFSET, model)
