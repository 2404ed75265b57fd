"""Spectra of images with detail up to a given frequency."""

import numpy as np
import pytest

from srtools.evaluation.eval_set import BORDER, Sample
from srtools.evaluation.spectrum import RingSpectra, resolution

SIZE, SPACING = 96, 1.5
NOISE = np.random.default_rng(11).normal(0.2, 0.05, (6, SIZE, SIZE, 2))


def low_pass(images: np.ndarray, pixel: float) -> np.ndarray:
    """Remove detail finer than pixels of a size in metres can represent."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE, SPACING)] * 2))
    kept = (frequency <= 1 / (2 * pixel))[None, :, :, None]
    return np.fft.ifft2(np.fft.fft2(images, axes=(1, 2)) * kept, axes=(1, 2)).real


def measure(image: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return frequencies, power ratio, correlation with `NOISE` and resolution."""
    spectra = RingSpectra(SIZE, SPACING)
    # The border does not count.
    sides = [(0, 0), (BORDER, BORDER), (BORDER, BORDER), (0, 0)]
    image, truth = (np.pad(x, sides, constant_values=9) for x in (image, NOISE))
    spectra.add(Sample(None, {"x": image}, truth))
    record = spectra.record()
    names = "power_ratio", "correlation", "effective_resolution_metres"
    return record["cycles_per_metre"], *(record[name]["x"] for name in names)


@pytest.mark.parametrize("pixel", [3.0, 6.0, 10.0])
def test_ideal_low_pass_has_the_resolution_of_its_cut(pixel):
    frequency, ratio, _, size = measure(low_pass(NOISE, pixel))
    # The taper and the rings blur the cut by about one ring.
    ring = 1 / (SIZE * SPACING)
    assert 1 / (2 * size) == pytest.approx(1 / (2 * pixel), abs=ring)
    below = frequency < 1 / (2 * pixel) - 2 * ring
    beyond = frequency > 1 / (2 * pixel) + 2 * ring
    np.testing.assert_allclose(ratio[below], 1, atol=1e-2)
    np.testing.assert_allclose(ratio[beyond], 0, atol=1e-2)


@pytest.mark.parametrize("factor", [1, 0.5])
def test_a_factor_changes_the_power_only(factor):
    """The truth itself has the resolution of its pixels."""
    _, ratio, correlation, size = measure(factor * NOISE + 0.3)
    np.testing.assert_allclose(ratio, factor**2)
    np.testing.assert_allclose(correlation, 1)
    assert size == SPACING


def test_invented_detail_is_power_without_resolution():
    """Independent noise beyond 10 m has the power of the truth, but no correlation."""
    invented = np.random.default_rng(12).normal(0.2, 0.05, NOISE.shape)
    image = low_pass(NOISE, 10.0) + invented - low_pass(invented, 10.0)
    _, ratio, _, size = measure(image)
    np.testing.assert_allclose(ratio[10:], 1, atol=0.2)
    assert size == pytest.approx(10, rel=0.12)


def test_unlike_images_have_no_resolution():
    assert resolution(np.array([0.1, 0.2]), np.array([0.1, 0.9]), 1.5) is None
    assert measure(1 - NOISE)[3] is None
