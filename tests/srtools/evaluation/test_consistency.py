"""Images with a given blur or shift, compared with Sentinel-2."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from srtools.evaluation import consistency
from srtools.evaluation.eval_set import EvalSet, Sample
from srtools.evaluation.sentinel2_pixels import NativePixels
from srtools.matching.point_spread import blur_metres, blur_weights

SPACING = 1.5
ROUGH = np.random.default_rng(2).normal(0.2, 0.1, (3, 160, 160, 4))
# Fields and trees rather than noise: detail of some 20 m.
GROUND = 0.2 + 5 * gaussian_filter(ROUGH - 0.2, (0, 8, 8, 0))
CENTRES = np.arange(25.0, 220, 10) / SPACING - 0.5


class Reader:
    """Native 10 m pixels of patches of 160 x 160 pixels of 1.5 m."""

    spacing = 10.0

    def __init__(self, images: np.ndarray, centres: np.ndarray, modulation: float):
        self.images, self.centres, self.modulation = images, centres, modulation
        self.blur = blur_metres(modulation)

    def read(self, patch: int) -> NativePixels | None:
        if patch == 99:
            return None
        image, centres = self.images[patch], self.centres
        weights = blur_weights(centres, len(image), SPACING, self.blur)
        pixels = np.einsum("nh,hwb,mw->nmb", weights, image, weights, optimize=True)
        return NativePixels(pixels, centres, centres)


@pytest.fixture
def measure(monkeypatch):
    """Measure three patches; Sentinel-2 covers all but number 99."""

    def measured(model, truth=GROUND, centres=CENTRES, numbers=(0, 1, 2), optics=0.28):
        reader = Reader(truth, centres, optics)
        monkeypatch.setattr(consistency, "open_sentinel2", lambda _: reader)
        test = EvalSet(Path("nowhere"), {}, 3, 160, {}, None)
        measure = consistency.Consistency(test)
        predicted = {"model": model, "bicubic": model}
        measure.add(Sample(np.array(numbers), predicted, truth))
        return measure.record()

    return measured


@pytest.mark.parametrize(("optics", "sigma"), [(0.28, "5.08 m"), (0.12, "6.55 m")])
def test_consistent_image(measure, optics, sigma):
    record = measure(GROUND, optics=optics)
    assert f"modulation {optics} at" in record["operator"]
    assert f"(sigma {sigma})" in record["operator"]
    assert (record["grid"], record["patches"]) == ("10 m", 3)
    assert list(record)[3:] == ["bicubic", "model", "consistent", "truth"]
    for image in ("bicubic", "model", "truth"):
        result = record[image]
        assert result["l1_dn"] == pytest.approx(0, abs=1e-9)
        assert result["spectral_angle_degrees"] == pytest.approx(0, abs=1e-5)
        assert result["shift_metres"] < 0.21  # the step of the search
        assert result["patches_with_shift"] == 3
    assert record["consistent"]["l1_dn"] < 0.01


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
