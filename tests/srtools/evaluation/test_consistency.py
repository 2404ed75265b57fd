"""Seen through Sentinel-2's eyes: known blurs, known shifts."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from srtools.evaluation import consistency
from srtools.matching import point_spread

FACTOR, SPACING = 4, 1.5
ROUGH = np.random.default_rng(2).normal(0.2, 0.1, (3, 160, 160, 4))
# Fields and trees rather than noise: detail of some 20 m.
GROUND = 0.2 + 5 * gaussian_filter(ROUGH - 0.2, (0, 8, 8, 0))


def seen(images: np.ndarray) -> np.ndarray:
    """Blur [n, h, w, bands], sampled at the 6 m pixels whose blur stays inside."""
    lr = np.zeros((images.shape[1] // FACTOR, images.shape[2] // FACTOR, 1))
    view = consistency.lr_view(lr, SPACING)
    blurred = [
        consistency.blur_at(image, view.rows, view.cols, SPACING) for image in images
    ]
    return np.stack(blurred)


def test_modulation_at_20_metres():
    """A wave of 20 m keeps 28 % of its swing, one of 200 m nearly all."""
    metres = np.arange(800) * SPACING
    for period, kept in ((20.0, 0.28), (200.0, 0.28 ** (1 / 100))):
        wave = np.cos(2 * np.pi * metres / period)[None, None, :, None]
        found = seen(np.broadcast_to(wave, (1, 160, 800, 1)))
        # The Gaussian is followed to 3 sigmas: 1 % of its swing is missing.
        assert np.abs(found).max() == pytest.approx(kept, abs=0.01)


def test_gaussian_filter_of_scipy():
    """Between pixels 1 and 2 of each four lies the centre of the 6 m pixel."""
    sigma = point_spread.BLUR_METRES / SPACING
    blurred = gaussian_filter(GROUND, (0, sigma, sigma, 0), truncate=4)
    middle = blurred[:, 1::4] + blurred[:, 2::4]
    middle = (middle[:, :, 1::4] + middle[:, :, 2::4]) / 4
    found = seen(GROUND)
    assert found.shape == (3, 34, 34, 4)
    np.testing.assert_allclose(found, middle[:, 3:-3, 3:-3], atol=2e-3)


def test_constant_image_stays():
    np.testing.assert_allclose(seen(np.full((1, 64, 64, 2), 0.3)), 0.3)


def lr_of(image: np.ndarray) -> np.ndarray:
    """What Sentinel-2 sees, with a margin of pixels that are never compared."""
    return np.pad(seen(image), [(0, 0), (3, 3), (3, 3), (0, 0)])


def measure(image: np.ndarray, lr: np.ndarray) -> dict:
    found = consistency.Consistency(SPACING)
    for patch, (one, other) in enumerate(zip(image, lr, strict=True)):
        found.add(patch, {"x": one}, other)
    assert found.record()["grid"] == "6 m"
    return found.record()["x"]


def test_consistent_image():
    found = measure(GROUND, lr_of(GROUND))
    assert found["l1_dn"] == pytest.approx(0, abs=1e-9)
    assert found["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
    assert found["shift_metres"] < 0.13  # the step of the search
    assert found["patches_with_shift"] == 3


def test_bias_and_gain():
    """100 DN too bright in all bands; twice as bright turns no spectrum."""
    brighter = measure(GROUND + 0.01, lr_of(GROUND))
    assert brighter["l1_dn"] == pytest.approx(100)
    assert brighter["bias_dn"] == pytest.approx(100)
    assert brighter["spectral_angle_degrees"] > 0.01
    doubled = measure(2 * GROUND, lr_of(GROUND))
    assert doubled["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
    assert measure(GROUND - 0.01, lr_of(GROUND))["bias_dn"] == pytest.approx(-100)


@pytest.mark.parametrize(("east", "north"), [(6.0, 0.0), (-3.0, 4.5)])
def test_known_shift(east, north):
    """Rows go south: moved by so many metres, as seen in the image."""
    moved = shift(GROUND, (0, -north / SPACING, east / SPACING, 0), mode="nearest")
    found = measure(moved, lr_of(GROUND))
    assert found["shift_east_metres"] == pytest.approx(east, abs=0.3)
    assert found["shift_north_metres"] == pytest.approx(north, abs=0.3)
    assert found["shift_metres"] == pytest.approx(np.hypot(east, north), abs=0.3)


def test_flat_patches_have_no_shift():
    flat = np.full((2, 128, 128, 4), 0.2)
    found = measure(flat, lr_of(flat))
    assert found["shift_metres"] is None and found["patches_with_shift"] == 0


def test_small_patches():
    """Of 32 pixels, 48 m, 18 m are left: too few; of 64, 10 pixels a side."""
    found = consistency.Consistency(SPACING)
    assert not found.possible(32) and found.possible(64)
    assert found.record() is None
    found.add(0, {"x": GROUND[0, :56, :56]}, np.ones((14, 14, 4)))
    assert found.record()["x"]["l1_dn"] > 0  # 8 pixels a side are compared,
    found.add(1, {"y": GROUND[0, :48, :48]}, np.ones((12, 12, 4)))
    assert found.record()["y"]["patches_with_shift"] == 0  # 6 tell no shift


class Kept:
    """Sentinel-2's own 10 m pixels of one patch of 160 x 160 pixels of 1.5 m."""

    spacing = 10.0

    def __init__(self, image: np.ndarray):
        centres = np.arange(25.0, 220, 10) / SPACING - 0.5
        pixels = consistency.blur_at(image, centres, centres, SPACING)
        self.sentinel2 = consistency.View(pixels, centres, centres)

    def view(self, patch: int) -> consistency.View:
        return self.sentinel2


def test_zeros_of_the_network_are_made_consistent():
    """The image that is served is at least 1 DN there: these pixels are changed."""
    truth, model = GROUND[0], GROUND[0].copy()
    model[60:100] = 0
    found = consistency.Consistency(SPACING, Kept(truth))
    found.add(0, {"model": model, "truth": truth}, None)
    record = found.record()
    assert record["model"]["l1_dn"] > 200
    assert record["consistent"]["l1_dn"] < 0.1 * record["model"]["l1_dn"]
    assert record["consistent"]["gain_change_db"] > 3
