"""Scores against scikit-image and numbers computed by hand."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sr_eval import errors_of_patches, mean_over_patches
from srtools.errors import SRError
from srtools.evaluation.patch_scores import PatchScores
from srtools.metrics import psnr

SIDE, BORDER = 40, 8
TRUTH = np.random.default_rng(7).uniform(0.02, 0.4, (3, SIDE, SIDE, 4))
TRUTH = TRUTH.astype(np.float32)


def noise(sigma: float) -> np.ndarray:
    return np.random.default_rng(8).normal(0, sigma, TRUTH.shape).astype(np.float32)


NOISY = TRUTH + noise(0.02)


def scored(model, bicubic=NOISY, truth=TRUTH, step: int = 3) -> PatchScores:
    """Score two methods, in batches of `step` patches."""
    scores = PatchScores(truth.shape[1], errors_of_patches, mean_over_patches)
    for first in range(0, len(truth), step):
        part = slice(first, first + step)
        scores.add({"bicubic": bicubic[part], "model": model[part]}, truth[part])
    return scores


def per_patch(predicted, truth, area: str = "whole") -> dict[str, np.ndarray]:
    scores = scored(predicted, predicted, truth)
    names = "l1", "l2", "ssim", "sam"
    return {name: scores.per_patch(area, "model", name) for name in names}


@pytest.mark.parametrize(("area", "border"), [("whole", 0), ("inner", BORDER)])
def test_against_scikit_image(area, border):
    """The area inside the border scores like an image that was cut out."""
    scores, inner = per_patch(NOISY, TRUTH, area), slice(border, SIDE - border)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for patch in range(3):
        for band in range(4):
            pair = [image[patch, inner, inner, band] for image in (TRUTH, NOISY)]
            ssim = structural_similarity(*pair, data_range=1.0, **gaussian)
            assert scores["ssim"][patch, band] == pytest.approx(ssim, abs=1e-6)
            decibels = peak_signal_noise_ratio(*pair, data_range=1.0)
            assert psnr(scores["l2"][patch, band]) == pytest.approx(decibels, abs=1e-3)


def test_black_pixels_have_no_angle():
    truth = TRUTH.copy()
    truth[:, :20] = 0
    scores = per_patch(NOISY, truth)
    one, other = NOISY[:, 20:].astype(float), TRUTH[:, 20:].astype(float)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    angles = np.degrees(np.arccos((one * other).sum(axis=-1) / lengths))
    expected = angles.mean(axis=(1, 2))
    np.testing.assert_allclose(scores["sam"][:, 0], expected, rtol=1e-5)


def test_scores_over_all_patches():
    """Each pixel counts once, in batches of two patches and of one."""
    record = scored(NOISY, step=2).method_record("inner", "model")
    inner = np.s_[:, BORDER:-BORDER, BORDER:-BORDER]
    error = (NOISY - TRUTH).astype(float)[inner]
    per_band = np.abs(error).mean(axis=(0, 1, 2))
    assert record["l1_dn"]["B04"] == pytest.approx(1e4 * per_band[0], rel=1e-5)
    assert record["l1_reflectance"]["all"] == pytest.approx(per_band.mean(), rel=1e-5)
    mse = np.square(error).mean(axis=(0, 1, 2))
    assert record["l2_dn"]["B03"] == pytest.approx(1e8 * mse[1], rel=1e-5)
    assert record["psnr_db"]["all"] == pytest.approx(-10 * np.log10(mse.mean()))
    means = TRUTH[inner].mean(axis=(0, 1, 2))
    ergas = 25 * np.sqrt(np.mean(mse / means**2))
    assert record["ergas"]["all"] == pytest.approx(ergas, rel=1e-5)


def test_gains_and_columns():
    """Errors of 0.01 against 0.02 are 6.02 dB; in patch 2 the model loses."""
    model, bicubic = TRUTH + np.float32(0.01), TRUTH + np.float32(0.02)
    model[2] += np.float32(0.03)
    scores = scored(model, bicubic)
    expected = 20 * np.log10([2, 2, 0.5])
    np.testing.assert_allclose(scores.gains(), expected, atol=0.01)
    l1, l2 = scores.columns("model")[:, :2].T
    np.testing.assert_allclose(l1, [0.01, 0.01, 0.04], rtol=1e-4)
    np.testing.assert_allclose(l2, l1**2, rtol=1e-4)


def test_the_border_does_not_count():
    """A model that is wrong in the border alone wins all patches by far."""
    model = TRUTH + 1
    model[:, BORDER:-BORDER, BORDER:-BORDER] -= 1
    scores = scored(model)
    assert (scores.gains() > 20).all()
    inner, whole = (scores.area_record(area)["gain_db"] for area in ("inner", "whole"))
    assert whole < 0 < inner


def test_pixels_that_are_no_numbers():
    """Errors of bicubic that are nan come from lr or hr, others from the model."""
    broken = NOISY.copy()
    broken[1, 2, 3, 0] = np.nan
    for pixels in ({"bicubic": broken}, {"truth": broken}):
        with pytest.raises(SRError, match="the test patches contain pixels"):
            scored(broken, **pixels)
    with pytest.raises(SRError, match="its training has diverged"):
        scored(broken)
