"""Windows of an image that are compared with the training set."""

import numpy as np
import pytest
from scipy.ndimage import zoom

from srtools.inference import domain_check, output_grid
from srtools.network.saved_model import ModelInfo
from srtools.sentinel2.sentinel2_image import Sentinel2

SIZE = 20  # lr pixels of a window: 12 pixels of 10 m
CARD = {"training_set": {"size": SIZE}}


@pytest.fixture
def read_windows(write_raster):
    """Write an image of 10 m, and return it, its output grid, and its windows."""

    def read(pixels: np.ndarray, offset: int = 0):
        s2 = Sentinel2([[write_raster("s2.tif", pixels, 10.0)]], offset=offset)
        s2 = s2.checked()
        image, model = s2.images[0], ModelInfo("m", {}, {}, {})
        area = output_grid.choose(image, image, model, 56).grid
        return s2, area, domain_check.read_windows(CARD, s2, area)

    return read


def smooth(height: int, width: int) -> np.ndarray:
    rough = np.random.default_rng(0).normal(2000, 700, (height // 4, width // 4, 4))
    return np.clip(zoom(rough, (4, 4, 1), order=3), 1, 9000).astype(np.uint16)


def test_windows_have_the_size_and_the_ground_of_a_patch(read_windows):
    pixels = smooth(200, 160)
    _, _, windows = read_windows(pixels + 1000, offset=1000)
    assert windows.shape == (64, SIZE, SIZE, 4)
    corner = pixels[:12, :12].astype(float)
    np.testing.assert_allclose(windows[0].mean((0, 1)), corner.mean((0, 1)), rtol=0.03)
    np.testing.assert_allclose(windows[0, 0, 0], corner[0, 0], rtol=0.1)


def test_windows_without_data_are_left_out(read_windows):
    pixels = smooth(200, 160)
    pixels[:100] = 0
    _, _, windows = read_windows(pixels)
    assert 20 < len(windows) < 40 and windows.min() >= 1
    s2, area, windows = read_windows(smooth(8, 40))  # smaller than a window
    assert not len(windows) and not len(domain_check.read_windows({}, s2, area))
