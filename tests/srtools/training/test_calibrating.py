"""Intervals learned from errors of a known law hold what they promise."""

import numpy as np
import pytest

from srtools.conventions import GROUPS
from srtools.evaluation.coverage import Coverage
from srtools.evaluation.eval_set import Sample
from srtools.network import intervals
from srtools.training import calibrating

import tensorflow as tf

COUNTS = {"train": 12, "valid": 12, "test": 12}
SIDE = 24  # lr pixels


def network(lr: tf.Tensor) -> tf.Tensor:
    """Repeat each pixel 4 x 4 times."""
    return tf.repeat(tf.repeat(lr, 4, axis=1), 4, axis=2)


def serve(lr: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"hr": network(lr) * 1e-4}


def pixels(count: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """Make smooth and rough patches, whose errors grow with brightness and roughness.

    They have heavy tails, for which the widths of a normal law would be wrong.
    """
    rough = rng.uniform(0, 400, (count, 1, 1, 1))
    lr = 2000 + rng.uniform(-1, 1, (count, SIDE, SIDE, 4)) * rough
    answer = network(tf.constant(np.rint(lr), tf.float32)).numpy()
    cut = slice(intervals.CUT, -intervals.CUT)
    scale = np.full_like(answer, 100.0)
    shown = intervals.predictors(tf.constant(answer)).numpy()
    scale[:, cut, cut] = 0.05 * shown[..., 1] + 0.5 * shown[..., 2]
    hr = answer + scale * rng.laplace(0, 1, answer.shape)
    return np.rint(lr), np.clip(np.rint(hr), 1, 60000)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory, write_raster_in):
    rng = np.random.default_rng(7)
    folder, arrays = tmp_path_factory.mktemp("patches"), {}
    files = {}
    for group in GROUPS:
        arrays[group] = pixels(COUNTS[group], rng)
        files[group] = {
            kind: [
                write_raster_in(
                    folder,
                    f"{group}_{kind}_patches.tif",
                    array.reshape(-1, *array.shape[2:]).astype(np.uint16),
                    crs=None,
                )
            ]
            for kind, array in zip(("lr", "hr"), arrays[group], strict=True)
        }
    return files, arrays


@pytest.fixture(scope="module")
def records(simulated):
    return calibrating.calibrate(network, simulated[0], seed=0)


@pytest.mark.parametrize("views", [1, 8])
def test_promised_and_held(simulated, records, views):
    """On patches that were not looked at, at all levels, on rough and smooth ground."""
    lr, hr = simulated[1]["test"]

    def measure(some: slice) -> dict:
        coverage = Coverage(serve, {"intervals": records}, views)
        truth = (hr[some] * 1e-4).astype(np.float32)
        coverage.add(Sample(None, lr[some].astype(np.float32), {}, truth))
        return coverage.record()

    found = measure(slice(None))
    assert found["patches"] == 12 and found["views"] == views
    for level, held in found["levels"].items():
        for share in held["coverage"].values():
            assert share == pytest.approx(float(level), abs=0.02)
    # And patch by patch: a rough patch is not held to the width of a smooth one.
    for one in range(12):
        shares = measure(slice(one, one + 1))["levels"]["0.9"]["coverage"]
        assert shares["all"] == pytest.approx(0.9, abs=0.05)


def test_the_widths_of_the_law(records):
    """Of a Laplace law of scale b, 90 % lie within b ln 10."""
    record = records["1"]
    for band in range(4):
        _, brightness, roughness = record["weights"][band]
        # A part of the brightness may be taken for the constant.
        assert 0 <= brightness < 0.07 and roughness == pytest.approx(0.5, rel=0.15)
        knots, widths = record["knots"][band], record["half_widths"]["0.9"][band]
        assert widths == sorted(widths) and knots[-1] > 1.5 * knots[0]
        # The mean of the absolute errors is b as well.
        np.testing.assert_allclose(np.divide(widths, knots), np.log(10), rtol=0.15)


def test_patches_that_were_left_out_are_held_as_well(records):
    assert all("chosen the epoch" in record["on"] for record in records.values())
    for level, found in records["1"]["left_out"].items():
        assert found["coverage"] == pytest.approx(float(level), abs=0.02)
        assert 0 < found["spread"] < 0.05


def test_other_pixels_make_nearly_the_same(simulated, records):
    other = calibrating.calibrate(network, simulated[0], seed=1)
    for level in intervals.LEVELS:
        one, two = (r["1"]["half_widths"][level] for r in (records, other))
        np.testing.assert_allclose(one, two, rtol=0.25)
    again = calibrating.calibrate(network, simulated[0], seed=0)
    assert again == records


def test_too_few_patches_tell_nothing(simulated, write_raster, tmp_path):
    files, arrays = simulated
    (lr, hr) = (array[:1].reshape(-1, *array.shape[2:]) for array in arrays["valid"])
    single = {
        "lr": [write_raster("lr.tif", lr.astype(np.uint16), crs=None)],
        "hr": [write_raster("hr.tif", hr.astype(np.uint16), crs=None)],
    }
    assert calibrating.calibrate(network, {**files, "valid": single}, seed=0) is None
