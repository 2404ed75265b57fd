"""What is wrong with a pair, in words, and what to do about it."""

import itertools

import numpy as np

from srtools.conventions import BANDS, OFFSET_DN
from srtools.pair.fits import LinearFit

OFFSET_TOLERANCE_DN = 250  # of the offset that the lines of all bands agree on
LEAST_SAMPLES = 50  # for medians and correlations
LEAST_CORRELATION = 0.5  # mean over the bands, below which no order means anything


def offset_left(fits: list[LinearFit | None]) -> int | None:
    """Give the DN that Sentinel-2 has too much in every band: 1000, -1000 or None.

    Spot = gain x Sentinel-2 + bias is 0 where Sentinel-2 is -bias / gain.
    """
    if any(fit is None or fit.gain <= 0 for fit in fits):
        return None
    zeros = np.array([-fit.bias / fit.gain for fit in fits])
    for offset in (OFFSET_DN, -OFFSET_DN):
        if (np.abs(zeros - offset) <= OFFSET_TOLERANCE_DN).all():
            return offset
    return None


def median_ratios(s2: np.ndarray, spot: np.ndarray) -> np.ndarray | None:
    """Give the median of Spot over that of Sentinel-2, per band; None if unknown.

    Even ground has no texture to fit a line to, but it has a brightness.

    Arguments:
        s2, spot: [n, bands] DN of the same places.
    """
    if len(s2) < LEAST_SAMPLES:
        return None
    one, other = np.median(s2, axis=0), np.median(spot, axis=0)
    return other / one if (one > 0).all() else None


def better_order(s2: np.ndarray, spot: np.ndarray) -> tuple[tuple[str, ...], float]:
    """Find the order of Sentinel-2's bands in which they look most like Spot's.

    Arguments:
        s2, spot: [n, bands] DN of the same places.

    Returns:
        The order, and by how much the mean correlation of the bands grows in it; the
        order as it is and 0 if none is better or nothing can be said.
    """
    textured = min(np.ptp(x, axis=0).min() for x in (s2, spot)) if len(s2) else 0
    if len(s2) < LEAST_SAMPLES or not textured:
        return BANDS, 0.0
    count = len(BANDS)
    correlation = np.corrcoef(s2.T, spot.T)[:count, count:]
    orders = list(itertools.permutations(range(count)))
    means = [np.mean(correlation[order, range(count)]) for order in orders]
    best = int(np.argmax(means))
    gain = float(means[best] - means[0])
    if means[best] < LEAST_CORRELATION:
        return BANDS, 0.0
    return tuple(BANDS[i] for i in orders[best]), gain
