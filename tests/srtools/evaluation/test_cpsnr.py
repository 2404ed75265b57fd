"""cPSNR against its definition, written out, and against known shifts."""

import numpy as np
import pytest

from srtools.evaluation.cpsnr import CpsnrScores, cpsnr

GROUND = np.random.default_rng(5).uniform(0.05, 0.4, (2, 46, 46, 3))
NOISE = np.random.default_rng(6).normal(0, 0.02, GROUND.shape)


def by_definition(predicted: np.ndarray, truth: np.ndarray, most: int):
    """Every shift, every band, in plain loops."""
    best = (-np.inf, None)
    inner = predicted[most:-most, most:-most]
    rows, cols = inner.shape[:2]
    for row in range(2 * most + 1):
        for col in range(2 * most + 1):
            error = truth[row : row + rows, col : col + cols] - inner
            error = error - error.mean(axis=(0, 1))
            score = 10 * np.log10(1 / np.square(error).mean())
            best = max(best, (score, (row - most, col - most)))
    return best


@pytest.mark.parametrize("most", [1, 3])
def test_definition(most):
    predicted = GROUND + NOISE
    scores, shifts = cpsnr(predicted, GROUND, most)
    for index in range(2):
        score, shift = by_definition(predicted[index], GROUND[index], most)
        assert scores[index] == pytest.approx(score, abs=1e-6)
        assert tuple(shifts[index]) == shift


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 3)])
def test_shift_and_bias_are_forgiven(shift):
    """The prediction has to be moved by `shift`, and be darker by its bias."""
    row, col = shift
    truth = GROUND[:, 3:-3, 3:-3]
    moved = GROUND[:, 3 + row : 43 + row, 3 + col : 43 + col]
    scores, found = cpsnr(moved + [0.1, -0.02, 0.0], truth)
    assert found.tolist() == [[row, col]] * 2
    assert (scores > 100).all()


def test_too_far_is_not_forgiven():
    scores, _ = cpsnr(GROUND[:, 5:], GROUND[:, :-5])
    assert (scores < 25).all()


def test_never_below_plain_psnr_of_the_same_pixels():
    predicted = GROUND + NOISE + 0.01
    scores, _ = cpsnr(predicted, GROUND)
    error = (predicted - GROUND)[:, 3:-3, 3:-3]
    plain = -10 * np.log10(np.square(error).mean(axis=(1, 2, 3)))
    assert (scores >= plain).all()


def test_record():
    scores = CpsnrScores()
    scores.add("model", GROUND[:, 1:], GROUND[:, :-1])
    found = scores.record(spacing=1.5)["model"]
    assert (found["shift_rows"], found["shift_cols"]) == (1, 0)
    assert found["shift_metres"] == 1.5
    assert found["share_unshifted"] == 0
