"""Sums over patches, gains, and the table of the worst."""

import numpy as np
import pytest

from srtools.evaluation.patch_scores import all_scores
from srtools.evaluation.scores import Scores, method_intervals

import tensorflow as tf

TRUTH = np.random.default_rng(4).uniform(0.1, 0.4, (6, 20, 20, 2)).astype(np.float32)
AREAS = {"inner": 4, "whole": 0}


def errors(predicted, truth) -> dict:
    error = predicted - truth
    return {
        "l1": tf.reduce_mean(abs(error), axis=(1, 2)),
        "l2": tf.reduce_mean(error**2, axis=(1, 2)),
    }


def scored(model: np.ndarray, bicubic: np.ndarray, step: int = 6) -> Scores:
    scores = Scores(lambda values: values.mean(axis=0, dtype=np.float64))
    for first in range(0, 6, step):
        part = slice(first, first + step)
        predicted = {"model": model[part], "bicubic": bicubic[part]}
        scores.add(all_scores(predicted, TRUTH[part], AREAS, errors))
    return scores


@pytest.mark.parametrize("step", [1, 4, 6])
def test_batches_do_not_matter(step):
    noise = np.random.default_rng(5).normal(0, 0.02, TRUTH.shape)
    noisy = TRUTH + noise.astype(np.float32)
    scores = scored(noisy, TRUTH, step)
    assert scores.count() == 6
    found = scores.record("inner", "model")
    error = (noisy - TRUTH).astype(float)[:, 4:-4, 4:-4]
    per_band = np.abs(error).mean(axis=(0, 1, 2))
    assert found["l1_dn"]["B04"] == pytest.approx(1e4 * per_band[0], rel=1e-5)
    assert found["l1_reflectance"]["all"] == pytest.approx(per_band.mean(), rel=1e-5)
    mse = np.square(error).mean(axis=(0, 1, 2))
    assert found["l2_dn"]["B03"] == pytest.approx(1e8 * mse[1], rel=1e-5)
    assert found["psnr_db"]["all"] == pytest.approx(-10 * np.log10(mse.mean()))
    means = TRUTH[:, 4:-4, 4:-4].mean(axis=(0, 1, 2))
    ergas = 25 * np.sqrt(np.mean(mse / means**2))
    assert found["ergas"]["all"] == pytest.approx(ergas, rel=1e-5)


def test_gain_and_worst():
    """Errors of 0.01 against 0.02 are 6.02 dB; patch 3 is where the model loses."""
    model, bicubic = TRUTH + np.float32(0.01), TRUTH + np.float32(0.02)
    model[3] += np.float32(0.03)
    scores = scored(model, bicubic)
    gains = scores.gains("whole")
    assert gains[0] == pytest.approx(20 * np.log10(2), abs=0.01)
    windows = np.arange(12).reshape(6, 2)
    worst = scores.worst("whole", windows, count=2)
    assert [entry["patch"] for entry in worst][0] == 3 and len(worst) == 2
    assert worst[0]["window"] == [6, 7]
    assert worst[0]["l1_dn_model"] == pytest.approx(400, rel=1e-3)
    assert worst[0]["psnr_db_bicubic"] == pytest.approx(33.98, abs=0.01)
    assert scores.worst("whole", None)[0]["window"] is None


def test_black_bands_and_small_patches_have_no_such_scores():
    scores = Scores(lambda values: values.mean(axis=0, dtype=np.float64))
    black = np.zeros((1, 8, 8, 2), np.float32)
    predicted = {"model": black, "bicubic": black}
    scores.add(all_scores(predicted, black, {"whole": 0}, errors))
    found = scores.record("whole", "model")
    assert found["ergas"] is None and found["ssim"] is None
    assert found["l1_dn"]["all"] == 0


def test_intervals_of_methods():
    hard = np.random.default_rng(6).uniform(0.5, 2, 40)  # for every method
    columns = {
        method: np.stack([e * hard, (e * hard) ** 2, 1 - e * hard, e * hard], axis=1)
        for method, e in (("bicubic", 0.02), ("model", 0.01))
    }
    intervals = method_intervals(columns, np.arange(40) // 4, "blocks")
    # The gain is the same everywhere: no doubt, though the scores differ a lot.
    assert intervals["gain_db"] == pytest.approx([20 * np.log10(2)] * 2)
    low, high = intervals["model"]["l1_dn"]
    assert low < 100 * hard.mean() < high and high - low > 5
    assert intervals["blocks"] == 10
    low, high = intervals["bicubic"]["psnr_db"]
    assert low < -10 * np.log10(np.mean((0.02 * hard) ** 2)) < high
