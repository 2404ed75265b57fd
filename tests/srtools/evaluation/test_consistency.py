"""Seen through Sentinel-2's eyes: known blurs, known shifts."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from srtools.evaluation import consistency
from srtools.evaluation.eval_set import EvalSet, Sample
from srtools.evaluation.sentinel2_pixels import View
from srtools.matching import point_spread

SPACING = 1.5
ROUGH = np.random.default_rng(2).normal(0.2, 0.1, (3, 160, 160, 4))
# Fields and trees rather than noise: detail of some 20 m.
GROUND = 0.2 + 5 * gaussian_filter(ROUGH - 0.2, (0, 8, 8, 0))
CENTRES = np.arange(25.0, 220, 10) / SPACING - 0.5


def seen(image: np.ndarray, centres: np.ndarray = CENTRES) -> np.ndarray:
    return consistency.blur_at(image, centres, centres, SPACING)


def test_modulation_at_20_metres():
    """A wave of 20 m keeps 28 % of its swing, one of 200 m nearly all."""
    metres = np.arange(800) * SPACING
    centres = np.arange(25, 775.0)
    for period, kept in ((20.0, 0.28), (200.0, 0.28 ** (1 / 100))):
        wave = np.cos(2 * np.pi * metres / period)[None, :, None]
        found = seen(np.broadcast_to(wave, (800, 800, 1)), centres)
        # The Gaussian is followed to 3 sigmas: 1 % of its swing is missing.
        assert np.abs(found).max() == pytest.approx(kept, abs=0.01)


def test_gaussian_filter_of_scipy():
    sigma = point_spread.BLUR_METRES / SPACING
    blurred = gaussian_filter(GROUND[0], (sigma, sigma, 0), truncate=4)
    found = seen(GROUND[0], np.arange(12.0, 148, 4))
    np.testing.assert_allclose(found, blurred[12:148:4, 12:148:4], atol=2e-3)


def test_constant_image_stays():
    np.testing.assert_allclose(seen(np.full((160, 160, 2), 0.3)), 0.3, rtol=1e-6)


class Kept:
    """Sentinel-2's own 10 m pixels of patches of 160 x 160 pixels of 1.5 m."""

    spacing = 10.0

    def __init__(self, images: np.ndarray, centres: np.ndarray = CENTRES):
        self.images, self.centres = images, centres

    def view(self, patch: int) -> View | None:
        if patch == 99:
            return None
        pixels = seen(self.images[patch], self.centres)
        return View(pixels, self.centres, self.centres)


@pytest.fixture
def measure(monkeypatch):
    """Measure three patches, of which Sentinel-2 shows all but number 99."""

    def measured(model, truth=GROUND, centres=CENTRES, numbers=(0, 1, 2)):
        kept = Kept(truth, centres)
        monkeypatch.setattr(consistency, "open_grid", lambda _: kept)
        test = EvalSet(Path("nowhere"), {}, 3, 160, {}, None)
        measure = consistency.Consistency(test)
        predicted = {"model": model, "bicubic": model}
        measure.add(Sample(np.array(numbers), None, predicted, truth))
        return measure.record()

    return measured


def test_consistent_image(measure):
    record = measure(GROUND)
    assert (record["grid"], record["patches"]) == ("10 m", 3)
    assert list(record)[3:] == ["bicubic", "model", "consistent", "truth"]
    for image in ("bicubic", "model", "truth"):
        found = record[image]
        assert found["l1_dn"] == pytest.approx(0, abs=1e-9)
        assert found["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
        assert found["shift_metres"] < 0.21  # the step of the search
        assert found["patches_with_shift"] == 3


def test_bias_and_gain(measure):
    """100 DN too bright in all bands; twice as bright turns no spectrum."""
    brighter = measure(GROUND + 0.01)["model"]
    assert brighter["l1_dn"] == pytest.approx(100)
    assert brighter["bias_dn"] == pytest.approx(100)
    assert brighter["spectral_angle_degrees"] > 0.01
    doubled = measure(2 * GROUND)["model"]
    assert doubled["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
    assert measure(GROUND - 0.01)["model"]["bias_dn"] == pytest.approx(-100)


@pytest.mark.parametrize(("east", "north"), [(6.0, 0.0), (-3.0, 4.5)])
def test_known_shift(measure, east, north):
    """Rows go south: moved by so many metres, as seen in the image."""
    moved = shift(GROUND, (0, -north / SPACING, east / SPACING, 0), mode="nearest")
    found = measure(moved)["model"]
    assert found["shift_east_metres"] == pytest.approx(east, abs=0.3)
    assert found["shift_north_metres"] == pytest.approx(north, abs=0.3)
    assert found["shift_metres"] == pytest.approx(np.hypot(east, north), abs=0.3)


def test_unknown_shifts(measure):
    """Flat ground and seven pixels a side tell no shift."""
    flat = np.full(GROUND.shape, 0.2)
    for record in (measure(flat, flat), measure(GROUND, centres=CENTRES[:7])):
        assert np.isnan(record["model"]["shift_metres"])
        assert record["model"]["patches_with_shift"] == 0


def test_patches_that_sentinel2_does_not_show(measure):
    assert measure(GROUND, numbers=[99] * 3) is None
    assert measure(GROUND, numbers=[99, 1, 2])["patches"] == 2


def test_zeros_of_the_network_are_made_consistent(measure):
    """The image that is served is at least 1 DN there: these pixels are changed."""
    model = GROUND.copy()
    model[:, 60:100] = 0
    record = measure(model)
    assert record["model"]["l1_dn"] > 200
    assert record["consistent"]["l1_dn"] < 0.1 * record["model"]["l1_dn"]
    assert record["consistent"]["gain_change_db"] > 3
