"""Counting pixels within their intervals."""

import numpy as np
import pytest

from srtools.evaluation.coverage import Coverage
from srtools.evaluation.eval_set import Sample
from srtools.network import intervals


def sample(truth: np.ndarray) -> Sample:
    predicted = {"model": np.full(truth.shape, 0.1, np.float32)}
    return Sample(None, predicted, truth)


def test_counts_by_hand(monkeypatch):
    """One band is wrong by 50 DN on half of the patch, without the border."""
    truth = np.full((1, 32, 32, 4), 0.1, np.float32)
    truth[:, :16, :, 2] += 0.005
    truth[:, :8] = truth[:, 24:] = 1
    widths = dict(zip(intervals.LEVELS, (10, 49.5, 50.1), strict=True))

    def half_widths(predictors, _, level):
        return predictors[..., 0] * widths[level]

    monkeypatch.setattr(intervals, "half_widths", half_widths)
    measure = Coverage({"intervals": {"patches": 9}})
    measure.add(sample(truth))
    measure.add(sample(truth))
    record = measure.record()
    assert record["patches"] == 2
    assert record["levels"]["0.8"]["coverage"]["B04"] == 1
    assert record["levels"]["0.8"]["coverage"]["B02"] == 0.5
    assert record["levels"]["0.9"]["coverage"]["all"] == 0.875
    assert record["levels"]["0.95"]["coverage"]["B02"] == 1
    assert record["levels"]["0.9"]["half_width_dn"]["all"] == pytest.approx(49.5)


@pytest.mark.parametrize("card", [{}, {"intervals": None}])
def test_a_model_without_intervals(card):
    measure = Coverage(card)
    measure.add(sample(np.ones((1, 32, 32, 4))))
    assert measure.record() is None
