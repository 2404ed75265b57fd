"""The interval of the mean gain over scenes."""

import numpy as np
import pytest

from srtools.evaluation.scenes import over_scenes


def test_two_scenes_that_differ_make_it_wide():
    """Each draw is twice the first, twice the second, or one of each."""
    gains = np.stack([np.full(4000, 1.0), np.full(4000, 3.0)])
    assert over_scenes(gains) == [1.0, 3.0]


def test_scenes_that_agree_leave_what_blocks_say():
    random = np.random.default_rng(0)
    gains = random.normal(1.0, 0.3, (9, 4000))
    low, high = over_scenes(gains)
    # The mean of 9 such numbers has a deviation of 0.1.
    assert (high - low) / 2 == pytest.approx(0.196, rel=0.1)
    assert (high + low) / 2 == pytest.approx(1.0, abs=0.02)


def test_one_scene_tells_nothing_of_others():
    assert over_scenes(np.ones((1, 1000))) is None
