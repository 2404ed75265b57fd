"""Calibrated intervals have the promised coverage on errors of a known distribution."""

import numpy as np
import pytest

from srtools.conventions import GROUPS, KINDS
from srtools.evaluation.coverage import Coverage
from srtools.evaluation.eval_set import Sample
from srtools.network import intervals
from srtools.training import calibration
from tests.training_patches import write_pair

import tensorflow as tf

COUNT, SIDE = 12, 24  # patches of a group, and their lr pixels


def network(lr: tf.Tensor) -> tf.Tensor:
    return tf.repeat(tf.repeat(lr, 4, axis=1), 4, axis=2)


def pixels(count: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return smooth and rough patches; errors grow with brightness and roughness.

    The errors have heavy tails: the widths of a normal distribution would be wrong.
    """
    rough = rng.uniform(0, 400, (count, 1, 1, 1))
    lr = 2000 + rng.uniform(-1, 1, (count, SIDE, SIDE, 4)) * rough
    answer = network(tf.constant(np.rint(lr), tf.float32)).numpy()
    cut = slice(intervals.CUT, -intervals.CUT)
    scale = np.full_like(answer, 100.0)
    predictors = intervals.predictors(tf.constant(answer)).numpy()
    scale[:, cut, cut] = 0.05 * predictors[..., 1] + 0.5 * predictors[..., 2]
    hr = answer + scale * rng.laplace(0, 1, answer.shape)
    return np.rint(lr), np.clip(np.rint(hr), 1, 60000)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Return the patches images, and the arrays of each group."""
    rng, folder = np.random.default_rng(7), tmp_path_factory.mktemp("patches")
    arrays = {group: pixels(COUNT, rng) for group in GROUPS}
    return {group: write(folder, group, arrays[group]) for group in GROUPS}, arrays


def write(folder, group, arrays) -> dict[str, list[str]]:
    """Write the patches images of a group, and return their paths by kind."""
    write_pair(folder, group, *(array.astype(np.uint16) for array in arrays))
    return {kind: [str(folder / f"{group}_{kind}_patches.tif")] for kind in KINDS}


@pytest.fixture(scope="module")
def calibrated(simulated):
    return calibration.calibrate(network, simulated[0], seed=0)


def test_coverage_is_as_promised(simulated, calibrated):
    """On patches not used before, at all levels, on rough and smooth ground."""
    lr, hr = simulated[1]["test"]

    def measure(some: slice) -> dict:
        coverage = Coverage({"intervals": calibrated})
        predicted = {"model": network(tf.constant(lr[some], tf.float32)).numpy() * 1e-4}
        coverage.add(Sample(None, predicted, hr[some] * 1e-4))
        return coverage.record()

    record = measure(slice(None))
    assert record["patches"] == 12
    for level, measured in record["levels"].items():
        for share in measured["coverage"].values():
            assert share == pytest.approx(float(level), abs=0.02)
    # Also patch by patch: the intervals of a rough patch are wider.
    for number in range(12):
        shares = measure(slice(number, number + 1))["levels"]["0.9"]["coverage"]
        assert shares["all"] == pytest.approx(0.9, abs=0.05)


def test_widths_are_those_of_the_distribution(calibrated):
    """In a Laplace distribution of scale b, 90 % of the values are below b ln 10."""
    for band in range(4):
        _, brightness, roughness = calibrated["weights"][band]
        # The constant may take a part of the brightness.
        assert 0 <= brightness < 0.07 and roughness == pytest.approx(0.5, rel=0.15)
        knots = calibrated["knots"][band]
        widths = calibrated["half_widths"]["0.9"][band]
        assert widths == sorted(widths) and knots[-1] > 1.5 * knots[0]
        # The mean of the absolute errors is b, too.
        np.testing.assert_allclose(np.divide(widths, knots), np.log(10), rtol=0.15)


def test_other_random_pixels_give_similar_widths(simulated, calibrated):
    other = calibration.calibrate(network, simulated[0], seed=1)
    for level in intervals.LEVELS:
        one, two = (r["half_widths"][level] for r in (calibrated, other))
        np.testing.assert_allclose(one, two, rtol=0.25)
    again = calibration.calibrate(network, simulated[0], seed=0)
    assert again == calibrated


def test_one_validation_patch_is_not_enough(simulated, tmp_path):
    files, arrays = simulated
    single = write(tmp_path, "valid", [array[:1] for array in arrays["valid"]])
    assert calibration.calibrate(network, {**files, "valid": single}, seed=0) is None
