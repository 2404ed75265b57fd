"""Sentinel-2's blur as numbers that other modules and the literature state."""

import numpy as np
import pytest

from srtools.matching import point_spread


def test_blur():
    """A Gaussian of 5.08 m, 3.386 pixels of 1.5 m, keeps 0.28 of a wave of 20 m."""
    assert point_spread.BLUR_METRES == pytest.approx(5.08, abs=0.005)
    assert point_spread.BLUR_METRES / 1.5 == pytest.approx(3.386, abs=5e-4)
    kept = np.exp(-2 * (np.pi * point_spread.BLUR_METRES / 20) ** 2)
    assert kept == pytest.approx(point_spread.MODULATION)
