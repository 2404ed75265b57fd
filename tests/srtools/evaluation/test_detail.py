"""Improvement, omission, hallucination: by hand, and as opensr-test computes them."""

import numpy as np
import pytest

from srtools.evaluation.detail import (
    Correctness,
    correctness,
    correctness_map,
    difference,
    shares,
)


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The truth, the zoomed input, and a noisy image halfway between them."""
    random = np.random.default_rng(0)
    truth = (random.random((64, 64, 4)) * 0.3 + 0.02).astype(np.float32)
    zoomed = (truth + 0.05 * random.standard_normal(truth.shape)).clip(0.01)
    zoomed = zoomed.astype(np.float32)
    halfway = 0.5 * truth + 0.5 * zoomed + 0.03 * random.standard_normal(truth.shape)
    return truth, zoomed, halfway.clip(0.01).astype(np.float32)


TRUTH, ZOOMED, HALFWAY = images()


def test_shares_by_hand():
    """a = 1, b = 1: distances 1 + (1 - e^-0.05), the same, and e^-0.05."""
    both = np.exp(-(2 - np.exp(-0.05)) / 0.25)
    third = np.exp(-np.exp(-0.05) / 0.25)
    expected = np.array([both, both, third]) / (2 * both + third)
    found = shares(np.array([1.0]), np.array([1.0]))[:, 0]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("towards_truth", "from_input", "largest"),
    [(0.0, 1.0, 0), (1.0, 0.0, 1), (5.0, 5.0, 2)],
)
def test_corners(towards_truth, from_input, largest):
    """The truth is improvement, the input omission; far from both is invention."""
    found = shares(np.array([towards_truth]), np.array([from_input]))
    assert found.argmax() == largest and found.max() > 0.9
    assert found.sum() == pytest.approx(1)


def test_numbers_of_opensr_test():
    """The result of version 1.3.3 for these images, with its default settings."""
    found = correctness(HALFWAY, TRUTH, ZOOMED)
    expected = [0.5782423, 0.2531641, 0.1685936]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_opensr_test_itself():
    package = pytest.importorskip(
        "opensr_test", reason="opensr-test (with torch) is not installed"
    )
    torch = pytest.importorskip("torch")
    steps = pytest.importorskip("opensr_test.correctness")
    utils = pytest.importorskip("opensr_test.utils")
    for seed in range(3):
        rng = np.random.default_rng(seed)
        noisy = (HALFWAY + 0.05 * rng.random(HALFWAY.shape)).astype(np.float32)
        predicted, truth, zoomed = (
            torch.from_numpy(np.moveaxis(image, -1, 0).copy())
            for image in (noisy, TRUTH, ZOOMED)
        )
        matched = utils.hq_histogram_matching(predicted, truth)
        distances = steps.get_distances(
            zoomed, matched, truth, distance_method="nd", patch_size=None
        )
        mask = package.Metrics(package.Config())._create_mask(*distances, "auto")
        reference, to_truth, to_input = (d * mask for d in distances)
        relative = to_truth / reference, to_input / reference
        scores = steps.tc_improvement, steps.tc_omission, steps.tc_hallucination
        three = [score(*relative, 0.05) for score in scores]
        stats = steps.get_correctness_stats(*three, mask, "softmin", 0.25)["stats"]
        np.testing.assert_allclose(
            correctness(noisy, TRUTH, ZOOMED), [float(s) for s in stats], atol=1e-5
        )


def test_known_images():
    assert correctness(TRUTH, TRUTH, ZOOMED).argmax() == 0
    invented = (
        np.random.default_rng(1).permutation(TRUTH.reshape(-1, 4)).reshape(TRUTH.shape)
    )
    assert correctness(invented, TRUTH, ZOOMED).argmax() == 2
    # Histograms are matched: a brighter copy of the truth is as good as the truth.
    np.testing.assert_allclose(
        correctness(2 * TRUTH + 0.1, TRUTH, ZOOMED),
        correctness(TRUTH, TRUTH, ZOOMED),
        atol=1e-3,
    )


def test_the_map_has_the_mean_of_the_scores():
    found, counted = correctness_map(HALFWAY, TRUTH, ZOOMED)
    assert found.shape == (3, 64, 64) and 0.2 < counted.mean() < 0.9
    np.testing.assert_allclose(found.sum(axis=0), counted, atol=1e-6)
    expected = correctness(HALFWAY, TRUTH, ZOOMED)
    np.testing.assert_allclose(found[:, counted].mean(axis=1), expected)


def test_difference_is_symmetric_and_bounded():
    found = difference(TRUTH, ZOOMED)
    np.testing.assert_allclose(found, difference(ZOOMED, TRUTH))
    assert (found >= 0).all() and (found <= 1).all()


def test_no_pixel_counts():
    total = Correctness()
    total.add(TRUTH[None], TRUTH[None], TRUTH[None])
    assert set(total.record().values()) == {None}
    total.add(HALFWAY[None], TRUTH[None], ZOOMED[None])
    assert sum(total.record().values()) == pytest.approx(1)
