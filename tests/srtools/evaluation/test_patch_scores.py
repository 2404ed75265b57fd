"""Each score against scikit-image or numbers worked out by hand."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srtools.evaluation.patch_scores import all_scores
from srtools.metrics import psnr, spectral_angle

import tensorflow as tf


def errors(predicted, truth) -> dict:
    error = predicted - truth
    return {
        "l1": tf.reduce_mean(abs(error), axis=(1, 2)),
        "l2": tf.reduce_mean(error**2, axis=(1, 2)),
    }


def noise(sigma: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(8).normal(0, sigma, shape).astype(np.float32)


TRUTH = np.random.default_rng(7).uniform(0.02, 0.4, (3, 40, 40, 4)).astype(np.float32)
NOISY = TRUTH + noise(0.02, TRUTH.shape)


def patch_scores(predicted, truth, border: int = 0) -> dict[str, np.ndarray]:
    """Score one method in one area."""
    found = all_scores({"x": predicted}, truth, {"area": border}, errors)
    return found["x"]["area"]


def test_identical_images_are_perfect():
    scores = patch_scores(TRUTH, TRUTH)
    for name, perfect in (("l1", 0), ("l2", 0), ("ssim", 1), ("sam", 0)):
        np.testing.assert_allclose(scores[name], perfect, atol=1e-6)


def test_constant_bias():
    """A bias of 100 DN in one band: L1 0.01, L2 0.0001, 40 dB; 0 in the others."""
    biased = TRUTH.copy()
    biased[..., 2] += 0.01
    scores = patch_scores(biased, TRUTH)
    np.testing.assert_allclose(
        scores["l1"], [[0, 0, 0.01, 0]] * 3, rtol=1e-4, atol=1e-9
    )
    np.testing.assert_allclose(
        scores["l2"], [[0, 0, 1e-4, 0]] * 3, rtol=1e-4, atol=1e-12
    )
    np.testing.assert_allclose(psnr(scores["l2"][:, 2]), 40, atol=1e-3)


def test_known_noise():
    """Normal noise of sigma s: L2 = s^2, L1 = s sqrt(2 / pi)."""
    truth = np.full((1, 200, 200, 4), 0.2, np.float32)
    scores = patch_scores(truth + noise(0.03, truth.shape), truth)
    assert scores["l2"].mean() == pytest.approx(9e-4, rel=0.01)
    assert scores["l1"].mean() == pytest.approx(0.03 * np.sqrt(2 / np.pi), rel=0.01)


@pytest.mark.parametrize("border", [0, 5, 14])
def test_against_scikit_image(border):
    """The area inside the border scores like an image that was cut out."""
    scores = patch_scores(NOISY, TRUTH, border)
    inner = slice(border, -border or None)
    for patch in range(3):
        for band in range(4):
            pair = (image[patch, inner, inner, band] for image in (TRUTH, NOISY))
            one, other = pair
            ssim = structural_similarity(
                one,
                other,
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            assert scores["ssim"][patch, band] == pytest.approx(ssim, abs=1e-6)
            decibels = peak_signal_noise_ratio(one, other, data_range=1.0)
            assert psnr(scores["l2"][patch, band]) == pytest.approx(decibels, abs=1e-3)


def test_symmetry_and_bounds():
    one = patch_scores(NOISY, TRUTH)
    other = patch_scores(TRUTH, NOISY)
    for name in ("l1", "l2", "ssim", "sam"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4)
    assert (one["ssim"] < 1).all() and (one["ssim"] > -1).all()
    inverted = patch_scores(1 - TRUTH, TRUTH)
    assert (inverted["ssim"] < 0).all()


def test_areas_are_the_same_scores():
    """Several methods in several areas: each as if it were alone."""
    methods = {"one": NOISY, "other": 1.1 * TRUTH}
    found = all_scores(methods, TRUTH, {"inner": 8, "whole": 0}, errors)
    for method, images in methods.items():
        for area, border in (("inner", 8), ("whole", 0)):
            alone = patch_scores(images, TRUTH, border)
            for name, values in alone.items():
                np.testing.assert_allclose(found[method][area][name], values, rtol=1e-5)
    one = found["one"]
    assert not np.allclose(one["inner"]["l1"], one["whole"]["l1"])


def test_angle_of_patches():
    """The mean over patches is that of the formula, also where angles are tiny."""
    scores = patch_scores(NOISY, TRUTH)
    expected = spectral_angle(NOISY, TRUTH).mean(axis=(1, 2))
    np.testing.assert_allclose(scores["sam"][:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(patch_scores(2 * TRUTH, TRUTH)["sam"], 0)
    turned = TRUTH * np.float32([1, 1, 1, 1.0001])
    expected = spectral_angle(turned, TRUTH).mean(axis=(1, 2))
    np.testing.assert_allclose(
        patch_scores(turned, TRUTH)["sam"][:, 0], expected, rtol=0.01
    )


def test_black_pixels_have_no_angle():
    truth, predicted = TRUTH.copy(), NOISY.copy()
    truth[:, :20] = 0
    scores = patch_scores(predicted, truth)
    expected = spectral_angle(NOISY, TRUTH)[:, 20:].mean(axis=(1, 2))
    np.testing.assert_allclose(scores["sam"][:, 0], expected, rtol=1e-5)


def test_patches_smaller_than_the_window_have_no_ssim():
    small = patch_scores(NOISY[:, :10, :10], TRUTH[:, :10, :10])
    assert np.isnan(small["ssim"]).all() and not np.isnan(small["l1"]).any()


@pytest.mark.parametrize("bands", [1, 4])
def test_layout_does_not_matter_and_nothing_is_changed(bands):
    """As files are read, images may lie band by band in memory."""
    pair = [np.array(image[..., :bands], np.float32) for image in (NOISY, TRUTH)]
    expected = patch_scores(*pair)
    by_band = [np.moveaxis(np.moveaxis(i, -1, 1).copy(), 1, -1) for i in pair]
    for images in (by_band, pair):
        before = [image.copy() for image in images]
        found = patch_scores(*images)
        np.testing.assert_equal(images, before)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
