"""Spectra of images whose detail ends at a known frequency."""

import numpy as np
import pytest

from srtools.evaluation.spectrum import RingSpectra, resolution

SIZE, SPACING = 96, 1.5
NOISE = np.random.default_rng(11).normal(0.2, 0.05, (6, SIZE, SIZE, 2))


def low_pass(images: np.ndarray, pixel: float) -> np.ndarray:
    """Keep the detail that pixels of so many metres can hold."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE, SPACING)] * 2))
    kept = (frequency <= 1 / (2 * pixel))[None, :, :, None]
    return np.fft.ifft2(np.fft.fft2(images, axes=(1, 2)) * kept, axes=(1, 2)).real


@pytest.mark.parametrize("pixel", [3.0, 6.0, 10.0])
def test_ideal_low_pass_has_the_resolution_of_its_cut(pixel):
    spectra = RingSpectra(SIZE, SPACING)
    spectra.add({"x": low_pass(NOISE, pixel)}, NOISE)
    # The taper and the rings blur the cut by about one ring.
    ring = 1 / (SIZE * SPACING)
    assert 1 / (2 * spectra.resolution("x")) == pytest.approx(1 / (2 * pixel), abs=ring)
    below = spectra.frequency < 1 / (2 * pixel) - 2 * ring
    beyond = spectra.frequency > 1 / (2 * pixel) + 2 * ring
    np.testing.assert_allclose(spectra.ratio("x")[below], 1, atol=1e-2)
    np.testing.assert_allclose(spectra.ratio("x")[beyond], 0, atol=1e-2)


def test_the_truth_itself_has_the_resolution_of_its_pixels():
    spectra = RingSpectra(SIZE, SPACING)
    spectra.add({"x": NOISE}, NOISE)
    np.testing.assert_allclose(spectra.ratio("x"), 1)
    np.testing.assert_allclose(spectra.correlation("x"), 1)
    assert spectra.resolution("x") == SPACING


def test_invented_detail_is_power_without_resolution():
    """Other noise of the same power beyond 10 m: enough detail, but not the right."""
    invented = np.random.default_rng(12).normal(0.2, 0.05, NOISE.shape)
    image = low_pass(NOISE, 10.0) + invented - low_pass(invented, 10.0)
    spectra = RingSpectra(SIZE, SPACING)
    spectra.add({"x": image}, NOISE)
    np.testing.assert_allclose(spectra.ratio("x")[10:], 1, atol=0.2)
    assert spectra.resolution("x") == pytest.approx(10, rel=0.12)


def test_gain_is_seen_in_the_power_only():
    spectra = RingSpectra(SIZE, SPACING)
    spectra.add({"x": 0.5 * NOISE + 0.3}, NOISE)
    np.testing.assert_allclose(spectra.ratio("x"), 0.25)
    np.testing.assert_allclose(spectra.correlation("x"), 1)


def test_batches_add_up():
    once, twice = RingSpectra(SIZE, SPACING), RingSpectra(SIZE, SPACING)
    image = low_pass(NOISE, 5.0)
    once.add({"x": image}, NOISE)
    twice.add({"x": image[:4]}, NOISE[:4])
    twice.add({"x": image[4:]}, NOISE[4:])
    np.testing.assert_allclose(once.correlation("x"), twice.correlation("x"))


def test_unlike_images_have_no_resolution():
    frequency = np.array([0.1, 0.2])
    assert resolution(frequency, np.array([0.1, 0.9]), 1.5) == np.inf
    spectra = RingSpectra(SIZE, SPACING)
    spectra.add({"x": 1 - NOISE}, NOISE)
    assert spectra.record()["effective_resolution_metres"] == {"x": None}
