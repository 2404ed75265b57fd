"""Windows of an image that are compared with the training set."""

import logging

import numpy as np
import pytest
from scipy.ndimage import zoom

from srtools.images.grid import Grid
from srtools.inference import plans, samples
from srtools.network import domain_shift
from srtools.network.saved_model import ModelInfo
from srtools.sentinel2.image import Sentinel2

RNG = np.random.default_rng(0)


def smooth(height: int, width: int, offset: int = 0) -> np.ndarray:
    rough = RNG.normal(2000, 700, (height // 4, width // 4, 4))
    return np.clip(zoom(rough, (4, 4, 1), order=3), 1, 9000).astype(np.uint16) + offset


def opened(paths: list[str], offset: int = 0) -> Sentinel2:
    return Sentinel2([paths], offset=offset).checked()


def output(s2: Sentinel2) -> Grid:
    return plans.make(s2.images[0], None, ModelInfo("m", {}, {}, {}), 56).grid


@pytest.fixture
def images(write_raster):
    pixels = smooth(200, 160, offset=1000)
    paths = [write_raster(f"{b}.tif", pixels[..., b], 10.0) for b in range(4)]
    return pixels, opened(paths, 1000)


def test_windows_have_the_size_and_the_ground_of_a_patch(images):
    pixels, s2 = images
    found = samples.read(s2, output(s2), size=20)
    assert found.shape == (64, 20, 20, 4)  # of 12 x 12 pixels of 10 m
    corner = pixels[:12, :12].astype(float) - 1000
    np.testing.assert_allclose(found[0].mean((0, 1)), corner.mean((0, 1)), rtol=0.03)
    np.testing.assert_allclose(found[0, 0, 0], corner[0, 0], rtol=0.1)


def test_windows_without_data_are_left_out(write_raster):
    pixels = smooth(200, 160)
    pixels[:100] = 0
    s2 = opened([write_raster("s2.tif", pixels, 10.0)])
    found = samples.read(s2, output(s2), size=20)
    assert 20 < len(found) < 40 and found.min() >= 1


def test_an_image_smaller_than_a_window(write_raster):
    s2 = opened([write_raster("s2.tif", smooth(8, 40), 10.0)])
    assert len(samples.read(s2, output(s2), size=20)) == 0


def test_the_line(images, caplog):
    _, s2 = images
    own = samples.read(s2, output(s2), 20)
    for patches, told in ((own, False), (own * 3, True)):
        card = {"training_set": domain_shift.record(patches)}
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            samples.warn_if_unlike(card, s2, output(s2))
        assert ("unlike the training set" in caplog.text) is told
    caplog.clear()
    samples.warn_if_unlike({}, s2, output(s2))
    assert not caplog.text
