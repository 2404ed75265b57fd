"""Counting pixels within their intervals, by kind of ground."""

import numpy as np
import pytest

from srtools.evaluation import coverage


def test_kinds_of_ground():
    """A flat field, a straight edge, and noise."""
    truth = np.full((60, 60, 4), 1000.0)
    truth[:, 30:] = 3000.0
    truth[40:] = np.random.default_rng(0).uniform(500, 3500, (20, 60, 1))
    kinds = coverage.kinds_of_ground(truth)
    names = np.array(coverage.GROUNDS)[kinds]
    assert (names[10:30, 5:22] == "flat").all()
    assert (names[10:30, 29:31] == "edges").all()
    assert (names[45:55, 5:55] == "textured").mean() > 0.6


def test_counts_by_hand():
    truth = np.full((1, 32, 32, 4), 1000.0)
    answer = truth.copy()
    answer[..., :16, :, 1] += 50  # one band is wrong on half of the patch
    answer[0, :16, :, 2] += 50
    halves = {
        level: np.full((1, 16, 16, 4), width, np.float32)
        for level, width in zip(("0.8", "0.9", "0.95"), (10, 49.5, 50), strict=True)
    }
    counts = coverage.Counts()
    counts.add(answer, truth, halves)
    record = counts.record()
    assert record["patches"] == 1 and record["share_of_ground"]["flat"] == 1
    assert record["levels"]["0.8"]["coverage"]["B04"] == 1
    assert record["levels"]["0.8"]["coverage"]["B02"] == 0.5
    assert record["levels"]["0.95"]["coverage"]["B02"] == 1
    assert record["levels"]["0.9"]["half_width_dn"]["all"] == pytest.approx(49.5)
    assert list(record["levels"]["0.9"]["by_ground"]) == ["flat"]


def test_a_model_without_intervals():
    assert coverage.measure(None, {}, [], 1) is None
    assert coverage.measure(None, {"intervals": {"8": {}}}, [], 1) is None
