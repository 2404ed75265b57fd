"""Improvement, omission and hallucination: by hand, and from opensr-test."""

import numpy as np
import pytest

from srtools.evaluation import eval_set
from srtools.evaluation.detail_correctness import Correctness, correctness_map, shares


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the truth, the zoomed input, and a noisy image between them."""
    random = np.random.default_rng(0)
    truth = (random.random((64, 64, 4)) * 0.3 + 0.02).astype(np.float32)
    zoomed = (truth + 0.05 * random.standard_normal(truth.shape)).clip(0.01)
    zoomed = zoomed.astype(np.float32)
    halfway = 0.5 * truth + 0.5 * zoomed + 0.03 * random.standard_normal(truth.shape)
    return truth, zoomed, halfway.clip(0.01).astype(np.float32)


TRUTH, ZOOMED, HALFWAY = images()


def correctness(predicted, truth=TRUTH, zoomed=ZOOMED) -> np.ndarray:
    """Return the mean shares of one patch."""
    by_pixel, counted = correctness_map(predicted, truth, zoomed)
    return by_pixel[:, counted].mean(axis=1)


def test_shares_by_hand():
    """a = 1, b = 1: distances 1 + (1 - e^-0.05), the same, and e^-0.05."""
    both = np.exp(-(2 - np.exp(-0.05)) / 0.25)
    third = np.exp(-np.exp(-0.05) / 0.25)
    expected = np.array([both, both, third]) / (2 * both + third)
    result = shares(np.array([1.0]), np.array([1.0]))[:, 0]
    np.testing.assert_allclose(result, expected)


def test_numbers_of_opensr_test():
    """The result of version 1.3.3 for these images, with its default settings."""
    result = correctness(HALFWAY)
    expected = [0.5782423, 0.2531641, 0.1685936]
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_known_images():
    assert correctness(TRUTH).argmax() == 0
    random = np.random.default_rng(1)
    invented = random.permutation(TRUTH.reshape(-1, 4)).reshape(TRUTH.shape)
    assert correctness(invented).argmax() == 2
    # Histograms are matched: a brighter copy of the truth is as good as the truth.
    np.testing.assert_allclose(
        correctness(2 * TRUTH + 0.1), correctness(TRUTH), atol=1e-3
    )


def test_shares_of_pixels_add_up():
    result, counted = correctness_map(HALFWAY, TRUTH, ZOOMED)
    assert result.shape == (3, 64, 64) and 0.2 < counted.mean() < 0.9
    np.testing.assert_allclose(result.sum(axis=0), counted, atol=1e-6)


def test_mean_over_patches():
    """The border, and a patch without pixels that count, are left out."""
    measure = Correctness()

    def add(predicted, zoomed):
        images = {"model": predicted[None], "bicubic": zoomed[None]}
        measure.add(eval_set.Sample(None, images, TRUTH[None]))

    add(TRUTH, TRUTH)
    assert set(measure.record().values()) == {None}
    add(HALFWAY, ZOOMED)
    add(TRUTH, TRUTH)
    inner = (image[eval_set.INNER] for image in (HALFWAY, TRUTH, ZOOMED))
    assert list(measure.record().values()) == pytest.approx(correctness(*inner))
