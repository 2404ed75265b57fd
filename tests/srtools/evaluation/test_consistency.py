"""Images with a given blur or shift, compared with Sentinel-2."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from srtools.evaluation import consistency
from srtools.evaluation.eval_set import EvalSet, Sample
from srtools.evaluation.sentinel2_pixels import NativePixels
from srtools.matching import point_spread

SPACING = 1.5
ROUGH = np.random.default_rng(2).normal(0.2, 0.1, (3, 160, 160, 4))
# Fields and trees rather than noise: detail of some 20 m.
GROUND = 0.2 + 5 * gaussian_filter(ROUGH - 0.2, (0, 8, 8, 0))
CENTRES = np.arange(25.0, 220, 10) / SPACING - 0.5


def simulate(image: np.ndarray, centres: np.ndarray = CENTRES) -> np.ndarray:
    return consistency.blur_at(image, centres, centres, SPACING)


def test_modulation_at_20_metres():
    """A wave of 20 m keeps 28 % of its swing, one of 200 m nearly all."""
    assert point_spread.BLUR_METRES == pytest.approx(5.08, abs=0.005)
    metres = np.arange(800) * SPACING
    centres = np.arange(25, 775.0)
    for period, modulation in ((20.0, 0.28), (200.0, 0.28 ** (1 / 100))):
        wave = np.cos(2 * np.pi * metres / period)[None, :, None]
        result = simulate(np.broadcast_to(wave, (800, 800, 1)), centres)
        # The Gaussian is followed to 3 sigmas: 1 % of its swing is missing.
        assert np.abs(result).max() == pytest.approx(modulation, abs=0.01)


class Reader:
    """Native 10 m pixels of patches of 160 x 160 pixels of 1.5 m."""

    spacing = 10.0

    def __init__(self, images: np.ndarray, centres: np.ndarray = CENTRES):
        self.images, self.centres = images, centres

    def read(self, patch: int) -> NativePixels | None:
        if patch == 99:
            return None
        pixels = simulate(self.images[patch], self.centres)
        return NativePixels(pixels, self.centres, self.centres)


@pytest.fixture
def measure(monkeypatch):
    """Measure three patches; Sentinel-2 covers all but number 99."""

    def measured(model, truth=GROUND, centres=CENTRES, numbers=(0, 1, 2)):
        reader = Reader(truth, centres)
        monkeypatch.setattr(consistency, "open_sentinel2", lambda _: reader)
        test = EvalSet(Path("nowhere"), {}, 3, 160, {}, None)
        measure = consistency.Consistency(test)
        predicted = {"model": model, "bicubic": model}
        measure.add(Sample(np.array(numbers), predicted, truth))
        return measure.record()

    return measured


def test_consistent_image(measure):
    record = measure(GROUND)
    assert (record["grid"], record["patches"]) == ("10 m", 3)
    assert list(record)[3:] == ["bicubic", "model", "consistent", "truth"]
    for image in ("bicubic", "model", "truth"):
        result = record[image]
        assert result["l1_dn"] == pytest.approx(0, abs=1e-9)
        assert result["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
        assert result["shift_metres"] < 0.21  # the step of the search
        assert result["patches_with_shift"] == 3


def test_bias_and_gain(measure):
    """A bias of 100 DN in all bands; a factor of 2 does not change the angle."""
    brighter = measure(GROUND + 0.01)["model"]
    assert brighter["l1_dn"] == pytest.approx(100)
    assert brighter["bias_dn"] == pytest.approx(100)
    assert brighter["spectral_angle_degrees"] > 0.01
    doubled = measure(2 * GROUND)["model"]
    assert doubled["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
    assert measure(GROUND - 0.01)["model"]["bias_dn"] == pytest.approx(-100)


@pytest.mark.parametrize(("east", "north"), [(6.0, 0.0), (-3.0, 4.5)])
def test_known_shift(measure, east, north):
    """The image moved east and north by so many metres; rows go south."""
    moved = shift(GROUND, (0, -north / SPACING, east / SPACING, 0), mode="nearest")
    result = measure(moved)["model"]
    assert result["shift_east_metres"] == pytest.approx(east, abs=0.3)
    assert result["shift_north_metres"] == pytest.approx(north, abs=0.3)
    assert result["shift_metres"] == pytest.approx(np.hypot(east, north), abs=0.3)


def test_unknown_shifts(measure):
    """Flat ground and seven pixels a side have no measurable shift."""
    flat = np.full(GROUND.shape, 0.2)
    for record in (measure(flat, flat), measure(GROUND, centres=CENTRES[:7])):
        assert np.isnan(record["model"]["shift_metres"])
        assert record["model"]["patches_with_shift"] == 0


def test_patches_that_sentinel2_does_not_cover(measure):
    assert measure(GROUND, numbers=[99] * 3) is None
    assert measure(GROUND, numbers=[99, 1, 2])["patches"] == 2


def test_zeros_of_the_network_are_made_consistent(measure):
    """Zeros of the prediction become 1 DN, so that they are not taken for nodata."""
    model = GROUND.copy()
    model[:, 60:100] = 0
    record = measure(model)
    assert record["model"]["l1_dn"] > 200
    assert record["consistent"]["l1_dn"] < 0.1 * record["model"]["l1_dn"]
    assert record["consistent"]["gain_change_db"] > 3
