"""The interval of the mean over scenes."""

import pytest

from srtools.evaluation.scenes import _mean


def test_interval_is_students_over_the_means_of_scenes():
    """Mean 2, standard error 1 / sqrt 3, t of 4.303 with two degrees of freedom."""
    found = _mean([{"gain_db": gain} for gain in (1.0, 2.0, 3.0)], "gain_db")
    half = 4.30265 / 3**0.5
    assert found["gain_db"] == 2
    assert found["interval"] == pytest.approx([2 - half, 2 + half], abs=1e-4)


def test_two_scenes_tell_nothing_of_others():
    rows = [{"gain_db": gain} for gain in (1.0, 3.0)]
    assert _mean(rows, "gain_db")["interval"] is None
