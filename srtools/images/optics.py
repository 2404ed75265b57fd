"""The optics of Sentinel-2: how much they blur.

The modulation transfer function at the highest frequency of the 10 m grid is 0.28.
"""

import math

from srtools.conventions import S2_SPACING_METRES

MODULATION = 0.28
"""Contrast that Sentinel-2 keeps at the highest frequency of its 10 m grid, one cycle
per 20 m."""

BLUR_METRES = math.sqrt(-math.log(MODULATION) / 2) / math.pi * 2 * S2_SPACING_METRES
"""Standard deviation of the Gaussian that blurs like Sentinel-2, metres: 5.08, the
sigma of exp(-2 pi^2 sigma^2 f^2) = 0.28 at f = 1 / 20 m."""
