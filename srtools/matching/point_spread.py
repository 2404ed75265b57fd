"""The optics of Sentinel-2: how much they blur.

The modulation transfer function at the highest frequency of the 10 m grid is 0.28.
"""

import math

import numpy as np

from srtools.conventions import S2_SPACING_METRES

MODULATION = 0.28
"""Contrast that Sentinel-2 keeps at the highest frequency of its 10 m grid, one cycle
per 20 m."""

BLUR_METRES = math.sqrt(-math.log(MODULATION) / 2) / math.pi * 2 * S2_SPACING_METRES
"""Standard deviation of the Gaussian that blurs like Sentinel-2, metres: 5.08, the
sigma of exp(-2 pi^2 sigma^2 f^2) = 0.28 at f = 1 / 20 m."""

SIGMAS = 3.0
"""Standard deviations after which the Gaussian is cut off."""

REACH_METRES = SIGMAS * BLUR_METRES


def blur_weights(centres: np.ndarray, size: int, spacing: float) -> np.ndarray:
    """Give the weight of each pixel along an axis in what Sentinel-2 sees at points.

    Arguments:
        centres: [points] positions, pixels; 0 is the middle of the first.
        size: number of pixels.
        spacing: of the pixels, metres.

    Returns:
        [points, size] float32; each row adds up to 1.
    """
    distances = (np.arange(size) - centres[:, None]) * spacing / BLUR_METRES
    weights = np.exp(-np.square(distances) / 2) * (np.abs(distances) <= SIGMAS)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
