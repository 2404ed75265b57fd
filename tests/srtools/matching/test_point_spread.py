"""The blur of Sentinel-2, and the optics that exercise 1 measured."""

import numpy as np
import pytest

from srtools.matching import point_spread


@pytest.mark.parametrize("modulation", [0.28, 0.12])
def test_waves_keep_a_share_of_their_swing(modulation):
    """One of 20 m keeps the modulation, one of 200 m nearly all."""
    metres, centres = np.arange(800) * 1.5, np.arange(25, 775.0)
    blur = point_spread.blur_metres(modulation)
    weights = point_spread.blur_weights(centres, 800, 1.5, blur)
    for period, kept in ((20.0, modulation), (200.0, modulation ** (1 / 100))):
        # The Gaussian is followed to 3 sigmas: 1 % of its swing is missing.
        swing = np.abs(weights @ np.cos(2 * np.pi * metres / period)).max()
        assert swing == pytest.approx(kept, abs=0.01)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 0.28),
        ([(0.10, 0.12)], 0.12),
        ([(0.35, 0.40)], 0.35),
        ([(0.20, 0.30)], 0.28),
        ([(0.1, 0.2), (0.3, 0.4), (0.2, 0.21)], 0.21),
        ([(1.0, 1.0)], 0.99),
    ],
)
def test_the_nearest_to_028_in_the_interval_is_taken(intervals, expected):
    """The median of the scenes; those without a measurement do not count."""
    records = [{"low": low, "high": high} for low, high in intervals]
    scenes = [{"pair": {"modulation": record}} for record in [*records, None]]
    result = point_spread.modulation_of({}, {"pair": None}, *scenes)
    assert result == pytest.approx(expected)
